// A KJ loop that only executes what other loops send.
#include "rpc/helper_thread.hpp"

#include <pthread.h>

#include <kj/async-unix.h>

namespace fastptm::rpc {

helper_thread::helper_thread() {
  struct ends {
    kj::Own<const kj::Executor> executor;
    kj::Own<kj::CrossThreadPromiseFulfiller<void>> stop;
  };
  std::promise<ends> started;
  thread_ = std::thread([&started] {
    ::pthread_setname_np(::pthread_self(), "rpc-helper");
    kj::UnixEventPort port;
    kj::EventLoop loop(port);
    kj::WaitScope scope(loop);
    auto stop = kj::newPromiseAndCrossThreadFulfiller<void>();
    started.set_value({kj::getCurrentThreadExecutor().addRef(), kj::mv(stop.fulfiller)});
    stop.promise.wait(scope);
  });
  auto got = started.get_future().get();
  executor_ = kj::mv(got.executor);
  stop_ = kj::mv(got.stop);
}

helper_thread::~helper_thread() {
  stop_->fulfill();
  thread_.join();
}

} // namespace fastptm::rpc
