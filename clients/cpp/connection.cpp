// Connecting, and the translation of exceptions and outcomes into errors.
#include "clients/cpp/connection.hpp"

#include <fstream>

#include <fmt/format.h>
#include <kj/debug.h>

#include "core/status.hpp"

namespace fastptm::clients {

namespace {

core::errc code_of(schema::Status status) {
  switch (status) {
    case schema::Status::NOT_FOUND:
      return core::errc::not_found;
    case schema::Status::PERMISSION_DENIED:
      return core::errc::permission_denied;
    case schema::Status::QUOTA_EXCEEDED:
      return core::errc::quota_exceeded;
    case schema::Status::DEADLINE_EXCEEDED:
      return core::errc::deadline_exceeded;
    case schema::Status::REFUSED:
      return core::errc::busy;
    case schema::Status::INVALID:
      return core::errc::invalid;
    default:
      return core::errc::unavailable;
  }
}

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  KJ_REQUIRE(in.good(), "cannot read the certificates to trust", file.c_str());
  return {std::istreambuf_iterator<char>(in), {}};
}

// Throws, as KJ does, what is wrong with the certificates.
kj::Own<kj::TlsContext> make_tls(const std::string& authority) {
  kj::TlsContext::Options options;
  if (authority.empty()) return kj::heap<kj::TlsContext>(kj::mv(options));
  const kj::TlsCertificate trusted[] = {kj::TlsCertificate(kj::StringPtr(text_of(authority).c_str()))};
  options.useSystemTrustStore = false;
  options.trustedCertificates = trusted;
  return kj::heap<kj::TlsContext>(kj::mv(options));
}

} // namespace

core::error from_kj(const kj::Exception& exception) {
  std::string text = exception.getDescription().cStr();
  constexpr std::string_view prefix = "remote exception: ";
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  switch (exception.getType()) {
    case kj::Exception::Type::DISCONNECTED:
      return {core::errc::unavailable, "the connection to the cluster broke: " + text};
    case kj::Exception::Type::OVERLOADED:
      return {core::errc::unavailable, "no answer from the cluster in time: " + text};
    case kj::Exception::Type::UNIMPLEMENTED:
      return {core::errc::version_mismatch, "the cluster does not know this call: use the same version: " + text};
    case kj::Exception::Type::FAILED:
      break;
  }
  return {core::errc::internal, "the call failed: " + text};
}

core::error not_trusted(std::string_view address, const kj::Exception& why) {
  return {
      core::errc::permission_denied,
      fmt::format("who answers at {} does not prove to be that host: {}: FASTPTM_CA is the file of its authority, and "
                  "the certificate must name the host",
                  address, why.getDescription().cStr())};
}

core::error wrong_port(std::string_view address, std::string_view wanted) {
  return {core::errc::invalid,
          fmt::format(
              "{} is another port of a cluster, not that of its {}: `{}` in run/NODE.json of the head's state folder",
              address, wanted == "admin" ? "administration" : "gateway", wanted)};
}

std::string_view to_string(schema::Status status) {
  return core::to_string(static_cast<core::status>(status)); // one list, in the order of the schema
}

core::result<void> check(schema::Outcome::Reader outcome) {
  if (outcome.getStatus() == schema::Status::OK) return {};
  return core::fail(code_of(outcome.getStatus()), outcome.getError().cStr());
}

kj::Promise<void> connection::open(const std::string& address, const std::string& authority) {
  auto opening = kj::evalNow([&] {
    if (!address.starts_with(tls_prefix)) return connect_to(address);
    const auto plain = address.substr(tls_prefix.size());
    tls_ = make_tls(authority);
    return connect_to(plain).then([this, host = plain.substr(0, plain.rfind(':'))](kj::Own<kj::AsyncIoStream> stream) {
      return secure(kj::mv(stream), host);
    });
  });
  return opening.then([this](kj::Own<kj::AsyncIoStream> stream) {
    stream_ = kj::mv(stream);
    client_ = kj::heap<capnp::TwoPartyClient>(*stream_);
  });
}

kj::Promise<kj::Own<kj::AsyncIoStream>> connection::connect_to(const std::string& address) {
  return loop_->io.provider->getNetwork().parseAddress(address.c_str()).then([](kj::Own<kj::NetworkAddress> parsed) {
    auto stream = parsed->connect();
    return stream.attach(kj::mv(parsed));
  });
}

// What is wrong with a certificate is no broken connection.
kj::Promise<kj::Own<kj::AsyncIoStream>> connection::secure(kj::Own<kj::AsyncIoStream> stream, const std::string& host) {
  return tls_->wrapClient(kj::mv(stream), host.c_str())
      .catch_([this](kj::Exception&& exception) -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
        distrusted_ = exception.getType() == kj::Exception::Type::FAILED;
        return kj::mv(exception);
      });
}

core::result<void> connection::connect(const std::string& address, core::duration_us timeout_us) {
  const auto trouble = kj::runCatchingExceptions([&] { within(open(address), timeout_us).wait(scope()); });
  KJ_IF_MAYBE (exception, trouble) {
    return core::fail(
        core::errc::unavailable,
        fmt::format(
            "nobody answers at {}: is the cluster running, and is that its address? Check with `fastptm status` ({})",
            address, exception->getDescription().cStr()));
  }
  return {};
}

} // namespace fastptm::clients
