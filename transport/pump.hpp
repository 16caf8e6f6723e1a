// The one thread that drives a backend's progress: spins while bytes move, sleeps on its event files otherwise.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "core/clock.hpp"

namespace fastptm::transport {

// What a pump drives. All members are called on the pump's thread only.
class pumped {
public:
  virtual ~pumped() = default;
  // Does what can be done without waiting; true: something was done.
  virtual bool progress() = 0;
  // Rounds without work before sleeping: more while an answer is due within microseconds.
  virtual unsigned spin_rounds() const = 0;
  // Prepares event_file() to become readable at the next event; false: there is work already.
  virtual bool arm() = 0;
  virtual int event_file() const = 0;
  // Until the next deadline; bounds a sleep.
  virtual core::duration_us sleep_limit_us() const = 0;
};

class pump {
public:
  explicit pump(pumped& driven);
  ~pump(); // stops

  // Once. `on_thread_start` runs first on the new thread (node/ makes a device's context current there); may be empty.
  void start(const std::string& thread_name, std::function<void()> on_thread_start);
  // Between two rounds; returns when the thread has ended. wake() may be called for as long as the pump is there.
  void stop();

  pump(const pump&) = delete;
  pump& operator=(const pump&) = delete;

  // Any thread: there is new work. Cheap when the pump is awake.
  void wake() noexcept;

private:
  void run(const std::function<void()>& on_thread_start);
  void sleep();

  pumped& driven_;
  const int wake_file_;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> woken_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

} // namespace fastptm::transport
