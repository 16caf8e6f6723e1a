// The log file of this process: opened again by its name after a hang-up, for whoever has moved it away.
#pragma once

#include <filesystem>

namespace fastptm::node {

// The environment variable with the file that stderr goes to, for a child whose parent opened it.
inline constexpr const char* log_file_variable = "FASTPTM_LOG_FILE";

// What SIGHUP means: a program that rotates logs wants a new file; a terminal that has gone wants nobody to go on
// behind it. One thread.
class own_log {
public:
  // `file`: where stderr goes now; empty: whoever started this process opened it and has to care for it.
  explicit own_log(std::filesystem::path file);

  // Takes the file from the environment, so that children do not inherit the wish.
  static own_log of_child();

  // False: this process was started at a terminal that is gone, and should end. Else log lines go to a file of that
  // name from now on; to the old one while a new one cannot be made.
  bool on_hang_up();

private:
  const std::filesystem::path file_;
  const bool at_terminal_;
};

// Appends, mode 0600; -1 with errno.
int open_log_file(const std::filesystem::path& file);

} // namespace fastptm::node
