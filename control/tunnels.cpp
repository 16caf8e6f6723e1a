// An epoll loop: sockets, local sockets, the listening socket and what other threads ask for.
#include "control/tunnels.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/check.hpp"
#include "core/log.hpp"
#include "core/socket_address.hpp"

namespace fastptm::control {

namespace {

// Tags of epoll: a connection's number twice, plus one for its local side. Numbers begin at 1.
constexpr uint64_t wake_tag = 0, door_tag = 1;

// A burst of strangers does not keep those that are at it from their turn.
constexpr unsigned accepts_per_turn = 16;
// Out of descriptors, most likely: others will close some.
constexpr core::duration_us rest_us = 100'000;
constexpr core::duration_us last_bytes_us = 250'000;
// A peer whose machine is gone, or that reads nothing any more. Its lease is over long before.
constexpr int unanswered_ms = 10'000;
constexpr core::duration_us between_lines_us = 1'000'000;

void set_option(int socket, int option, int value) {
  ::setsockopt(socket, IPPROTO_TCP, option, &value, sizeof value);
}

std::string_view label_of(auto what) {
  constexpr std::string_view names[] = {"admitted", "refused", "silent", "crowded"};
  return names[static_cast<size_t>(what)];
}

core::error told(verdict what) {
  if (what == verdict::not_configured)
    return {core::errc::not_found, "the head's configuration has no node of this name, or did not when it started: "
                                   "start every node with the same one"};
  if (what == verdict::too_many)
    return {core::errc::already_exists, "the head has connections of a node of this name already: stop the other one"};
  return {core::errc::version_mismatch, "what listens there speaks another protocol: run the same build everywhere"};
}

core::result<core::descriptor> listening_at(const core::network_address& at) {
  const auto address = core::parse_address(at.host, at.port);
  if (!address) return core::fail("the control port", address.error());
  core::descriptor out(::socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* raw = reinterpret_cast<const sockaddr*>(&*address);
  if (::bind(out.get(), raw, core::size_of(*address)) == 0 && ::listen(out.get(), SOMAXCONN) == 0) return out;
  return core::fail(
      core::errc::unavailable,
      fmt::format("cannot listen on {}: is the port in use, or the address not this machine's?", core::to_text(at)));
}

uint16_t port_of(int socket) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size);
  return core::port_of(at);
}

} // namespace

door::~door() {
  of_.there([this] { of_.shut(); });
}

// -- other threads ----------------------------------------------------------------------------------------------------

core::result<std::unique_ptr<tunnels>> tunnels::start(const credentials& own, core::metrics_registry* metrics) {
  auto settings = tls_settings::create(own);
  if (!settings) return core::fail(settings.error());
  return std::unique_ptr<tunnels>(new tunnels(std::move(*settings), metrics));
}

tunnels::tunnels(tls_settings settings, core::metrics_registry* metrics)
    : settings_(std::move(settings)), epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  core::check(epoll_ && wake_, "an epoll and an event file can be made");
  uint32_t none = 0;
  set_events(wake_.get(), wake_tag, none, EPOLLIN);
  for (const auto each : {outcome::admitted, outcome::refused, outcome::silent, outcome::crowded})
    if (metrics != nullptr)
      counted_[each] = &metrics->make_counter("fastptm_control_connections_total",
                                              "Connections to the control port, by what became of them",
                                              fmt::format("result=\"{}\"", label_of(each)));
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "control");
}

tunnels::~tunnels() {
  there([this] { ends_us_ = core::monotonic_now_us() + last_bytes_us; });
  thread_.join();
}

void tunnels::there(std::function<void()> what) {
  const auto done = std::make_shared<std::promise<void>>(); // the one who sets it may be the last to hold it
  {
    const core::mutex_lock lock(mutex_);
    asked_.push_back([done, &what] {
      what();
      done->set_value();
    });
  }
  const uint64_t one = 1;
  core::check(::write(wake_.get(), &one, sizeof one) == sizeof one, "an event file can be written");
  done->get_future().wait();
}

core::result<std::unique_ptr<door>> tunnels::open(door_options options) {
  core::result<uint16_t> port = core::fail(core::errc::internal, "not asked");
  there([&] { port = listen(std::move(options)); });
  if (!port) return core::fail(port.error());
  return std::unique_ptr<door>(new door(*this, *port));
}

core::result<int> tunnels::connect(int socket, const std::string& node, core::duration_us timeout_us) {
  auto waiting = std::make_shared<connected>();
  auto answer = waiting->get_future();
  there([&] { add(core::descriptor(socket), side::connects, node, timeout_us, waiting); });
  return answer.get();
}

// -- the thread -------------------------------------------------------------------------------------------------------

void tunnels::run() {
  sigset_t broken; // TLS writes as write() does: a peer that is gone is an error, no signal
  sigemptyset(&broken);
  sigaddset(&broken, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken, nullptr);
  while (!at_end()) turn();
}

bool tunnels::at_end() const {
  return ends_us_ != 0 && (all_.empty() || core::monotonic_now_us() >= ends_us_);
}

void tunnels::turn() {
  epoll_event events[64];
  const auto wait_ms = static_cast<int>((sleep_us() + 999) / 1000);
  const int count = ::epoll_wait(epoll_.get(), events, std::size(events), wait_ms);
  for (int i = 0; i < count; ++i) on_event(events[i].data.u64);
  for (const auto number : std::exchange(eager_, {}))
    if (const auto found = all_.find(number); found != all_.end()) drive(found);
  expire(core::monotonic_now_us());
}

void tunnels::on_event(uint64_t tag) {
  if (tag == wake_tag) return do_what_was_asked();
  if (tag == door_tag) return accept_some();
  if (const auto found = all_.find(tag / 2); found != all_.end()) drive(found);
}

void tunnels::do_what_was_asked() {
  uint64_t count = 0;
  [[maybe_unused]] const auto drained = ::read(wake_.get(), &count, sizeof count);
  std::vector<std::function<void()>> now;
  {
    const core::mutex_lock lock(mutex_);
    now.swap(asked_);
  }
  for (const auto& each : now) each();
}

core::duration_us tunnels::sleep_us() const {
  if (!eager_.empty()) return 0;
  core::time_us next_us = core::monotonic_now_us() + 60'000'000;
  if (resting_) next_us = std::min(next_us, rests_until_us_);
  if (ends_us_ != 0) next_us = std::min(next_us, ends_us_);
  for (const auto number : unproven_) next_us = std::min(next_us, all_.at(number).until_us);
  return std::max<core::duration_us>(0, next_us - core::monotonic_now_us());
}

void tunnels::expire(core::time_us now_us) {
  for (auto next = unproven_.begin(); next != unproven_.end();) {
    const auto each = all_.find(*next++);
    if (each->second.until_us > now_us) continue;
    refuse(each, outcome::silent, {core::errc::unavailable, "the other side does not answer"});
  }
  if (!resting_ || rests_until_us_ > now_us) return;
  resting_ = false;
  if (!listening_) return;
  uint32_t none = 0;
  set_events(listening_.get(), door_tag, none, EPOLLIN);
}

// -- the door ---------------------------------------------------------------------------------------------------------

core::result<uint16_t> tunnels::listen(door_options options) {
  core::check(!listening_, "a node has one door");
  auto socket = listening_at(options.at);
  if (!socket) return core::fail(socket.error());
  listening_ = std::move(*socket);
  door_ = std::move(options);
  uint32_t none = 0;
  set_events(listening_.get(), door_tag, none, EPOLLIN);
  return port_of(listening_.get());
}

void tunnels::shut() {
  listening_.reset();
  for (const auto number : std::set<uint64_t>(unproven_)) forget(all_.find(number));
  door_ = {};
  resting_ = false;
}

void tunnels::accept_some() {
  for (unsigned i = 0; listening_ && i < accepts_per_turn; ++i) {
    core::descriptor socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      make_room();
      add(std::move(socket), side::accepts, "", door_.patience_us, nullptr);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return rest_from_accepting(errno);
    }
  }
}

// Level-triggered: it would come back at once.
void tunnels::rest_from_accepting(int failure) {
  core::log::warn("control", "accept-failed", "{}", core::from_errno(failure, "accept").message);
  uint32_t known = EPOLLIN;
  set_events(listening_.get(), door_tag, known, 0);
  resting_ = true;
  rests_until_us_ = core::monotonic_now_us() + rest_us;
}

void tunnels::make_room() {
  if (unproven_.size() < door_.strangers) return;
  refuse(all_.find(*unproven_.begin()), outcome::crowded, {core::errc::busy, "too many others connect"});
}

verdict tunnels::verdict_of(const std::string& node) const {
  if (!door_.nodes.contains(node)) return verdict::not_configured;
  const auto here = std::count_if(all_.begin(), all_.end(), [&](const auto& each) {
    return each.second.of == side::accepts && each.second.at == connection::phase::carrying && each.second.node == node;
  });
  return static_cast<size_t>(here) < door_.per_node ? verdict::welcome : verdict::too_many;
}

// -- one connection ---------------------------------------------------------------------------------------------------

void tunnels::add(core::descriptor socket, side of, std::string node, core::duration_us patience_us,
                  std::shared_ptr<connected> waiting) {
  set_option(socket.get(), TCP_NODELAY, 1);
  set_option(socket.get(), TCP_USER_TIMEOUT, unanswered_ms);
  const auto made = all_.try_emplace(++last_, settings_, std::move(socket), of).first;
  unproven_.insert(last_);
  made->second.node = std::move(node);
  made->second.until_us = core::monotonic_now_us() + patience_us;
  made->second.waiting = std::move(waiting);
  drive(made);
}

void tunnels::drive(connections::iterator of) {
  auto& at = of->second.at;
  if (at == connection::phase::shaking && !shake(of)) return;
  if (at == connection::phase::hearing && !hear(of)) return;
  if (at == connection::phase::carrying && !carry(of)) return;
  watch(of);
}

bool tunnels::shake(connections::iterator of) {
  const auto& way = of->second.way;
  switch (of->second.way.shake()) {
    case progress::done:
      return prove(of);
    case progress::wants_read:
    case progress::wants_write:
      return true;
    case progress::ended:
    case progress::failed:
      break;
  }
  const bool stranger = way.peer_untrusted();
  refuse(of, outcome::refused,
         {stranger ? core::errc::permission_denied : core::errc::unavailable,
          stranger ? fmt::format("its certificate is not of this cluster ({}): give this node the credentials that the "
                                 "head's machine makes, see `fastptm node-credentials --help`",
                                 way.why())
                   : fmt::format("no TLS handshake: {}", way.why())});
  return false;
}

// The peer has shown a certificate of this cluster: is it one that is wanted here?
bool tunnels::prove(connections::iterator of) {
  auto& each = of->second;
  const auto name = each.way.peer();
  if (each.of == side::connects) {
    each.at = connection::phase::hearing;
    if (name == each.node) return true;
    refuse(of, outcome::refused,
           {core::errc::permission_denied, fmt::format("it is node '{}' and not '{}'", name, each.node)});
    return false;
  }
  const auto what = verdict_of(name);
  if (each.way.tell(what) && what == verdict::welcome) {
    each.node = name;
    return hand_over(of);
  }
  refuse(of, outcome::refused, {core::errc::permission_denied, fmt::format("node '{}': {}", name, told(what).message)});
  return false;
}

bool tunnels::hear(connections::iterator of) {
  auto& each = of->second;
  verdict what{};
  switch (each.way.hear(what)) {
    case progress::done:
      if (what == verdict::welcome) return hand_over(of);
      refuse(of, outcome::refused, told(what));
      return false;
    case progress::wants_read:
    case progress::wants_write:
      return true;
    case progress::ended:
    case progress::failed:
      break;
  }
  // The head looks at our certificate after we have seen its own.
  const bool alert = each.way.why().find("alert") != std::string::npos;
  refuse(of, outcome::refused,
         {alert ? core::errc::permission_denied : core::errc::unavailable,
          alert ? fmt::format("it refuses this node's certificate ({}): make new ones with `fastptm node-credentials`",
                              each.way.why())
                : "it closed the connection"});
  return false;
}

bool tunnels::hand_over(connections::iterator of) {
  auto& each = of->second;
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    refuse(of, outcome::refused, core::from_errno(errno, "socketpair"));
    return false;
  }
  each.way.open(core::descriptor(ends[0]));
  each.at = connection::phase::carrying;
  unproven_.erase(of->first);
  if (each.of == side::accepts) {
    count(outcome::admitted);
    door_.admit(each.node, ends[1]);
  } else {
    std::exchange(each.waiting, nullptr)->set_value(ends[1]);
  }
  return true;
}

bool tunnels::carry(connections::iterator of) {
  switch (of->second.way.carry()) {
    case tunnel::state::over:
      forget(of);
      return false;
    case tunnel::state::has_more:
      eager_.insert(of->first);
      return true;
    case tunnel::state::waits:
      return true;
  }
  return true;
}

void tunnels::refuse(connections::iterator of, outcome as, core::error why) {
  if (of->second.waiting) {
    std::exchange(of->second.waiting, nullptr)->set_value(core::fail(std::move(why)));
  } else {
    count(as);
    ++untold_;
    const auto now = core::monotonic_now_us();
    if (now - told_us_ >= between_lines_us) { // strangers do not fill a disk with lines
      core::log::warn("control", "connection-refused", "{} ({} since the last such line)", why.message,
                      std::exchange(untold_, 0));
      told_us_ = now;
    }
  }
  forget(of);
}

// Closed descriptors leave epoll by themselves.
void tunnels::forget(connections::iterator of) {
  unproven_.erase(of->first);
  eager_.erase(of->first);
  all_.erase(of);
}

void tunnels::watch(connections::iterator of) {
  auto& [number, each] = *of;
  set_events(each.way.socket(), 2 * number, each.socket_events, each.way.socket_events());
  if (each.at == connection::phase::carrying)
    set_events(each.way.local(), 2 * number + 1, each.local_events, each.way.local_events());
}

// What waits for nothing is taken out: an end is reported always, and would come again and again.
void tunnels::set_events(int file, uint64_t tag, uint32_t& known, uint32_t wanted) const {
  if (known == wanted) return;
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = tag;
  const int how = wanted == 0 ? EPOLL_CTL_DEL : known == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  core::check(::epoll_ctl(epoll_.get(), how, file, &event) == 0, "epoll takes a socket of this process");
  known = wanted;
}

void tunnels::count(outcome what) {
  if (const auto known = counted_.find(what); known != counted_.end()) known->second->add();
}

} // namespace fastptm::control
