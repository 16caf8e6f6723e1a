// The binary format: everything read is checked.
#include "sim/workload.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string>

namespace fastptm::sim {

namespace {

constexpr std::array<char, 8> magic{'S', 'C', 'H', 'E', 'D', 'W', 'L', '1'};
constexpr uint64_t header_bytes = 24, class_bytes = 32, request_bytes = 12;
constexpr uint32_t most_models = 1u << 20, most_classes = 255;
constexpr uint64_t most_requests = 1ull << 31, latest_us = 1ull << 50; // 35 years
static_assert(std::endian::native == std::endian::little, "the format is read as it lies in the file");

template <class T> T take(const char*& at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  at += sizeof value;
  return value;
}

template <class T> void put(std::string& to, const T& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

core::result<std::string> read_file(const std::filesystem::path& file) {
  std::error_code bad;
  const uint64_t size = std::filesystem::file_size(file, bad);
  if (bad) return core::fail(core::errc::not_found, file.string() + ": " + bad.message());
  std::string bytes(size, '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size)))
    return core::fail(core::errc::io, file.string() + ": cannot be read");
  return bytes;
}

bool sane(const workload_class& c) {
  const auto within = [](double v, double low, double high) { return v >= low && v <= high; }; // False for NaN.
  return within(c.bytes, 1, 1e15) && within(c.base_ms, 0, 1e6) && within(c.each_ms, 1e-3, 1e6) &&
         within(c.deadline_ms, 1e-3, 1e9);
}

} // namespace

core::result<workload> read_workload(const std::filesystem::path& file) {
  const auto bytes = read_file(file);
  if (!bytes) return core::fail(bytes.error());
  const auto bad = [&](const std::string& what) {
    return core::fail(core::errc::invalid, file.string() + ": " + what + "; make it anew with gen-workload");
  };
  if (bytes->size() < header_bytes || std::memcmp(bytes->data(), magic.data(), magic.size()) != 0)
    return bad("is no workload: it does not begin with SCHEDWL1");
  const char* at = bytes->data() + magic.size();
  const auto models = take<uint32_t>(at), classes = take<uint32_t>(at);
  const auto requests = take<uint64_t>(at);
  if (models == 0 || models > most_models) return bad("has " + std::to_string(models) + " models");
  if (classes == 0 || classes > most_classes) return bad("has " + std::to_string(classes) + " classes");
  if (requests == 0 || requests > most_requests) return bad("has " + std::to_string(requests) + " requests");
  if (bytes->size() != header_bytes + classes * class_bytes + models + requests * request_bytes)
    return bad("has " + std::to_string(bytes->size()) + " bytes, not what its header says");
  const auto bad_at = [&](uint64_t byte, const std::string& what) {
    return bad("byte " + std::to_string(byte) + ": " + what);
  };
  const uint64_t models_at = header_bytes + classes * class_bytes, requests_at = models_at + models;
  workload w;
  for (uint32_t i = 0; i < classes; ++i) {
    workload_class c;
    for (double* field : {&c.bytes, &c.base_ms, &c.each_ms, &c.deadline_ms}) *field = take<double>(at);
    if (!sane(c))
      return bad_at(header_bytes + i * class_bytes, "class " + std::to_string(i) + " has a cost out of range");
    w.classes.push_back(c);
  }
  for (uint32_t i = 0; i < models; ++i) {
    w.class_of.push_back(take<uint8_t>(at));
    if (w.class_of.back() >= classes)
      return bad_at(models_at + i, "model " + std::to_string(i) + " has an unknown class");
  }
  w.requests.resize(requests);
  uint64_t before = 0;
  for (uint64_t i = 0; i < requests; ++i) {
    workload_request& r = w.requests[i];
    r.at_us = take<uint64_t>(at);
    r.model = take<uint32_t>(at);
    const uint64_t byte = requests_at + i * request_bytes;
    if (r.model >= models) return bad_at(byte, "request " + std::to_string(i) + " is for an unknown model");
    if (r.at_us < before || r.at_us > latest_us)
      return bad_at(byte, "request " + std::to_string(i) + " is not in order of time");
    before = r.at_us;
  }
  return w;
}

core::result<void> write_workload(const std::filesystem::path& file, const workload& w) {
  std::string bytes(magic.data(), magic.size());
  bytes.reserve(header_bytes + w.classes.size() * class_bytes + w.class_of.size() + w.requests.size() * request_bytes);
  put(bytes, static_cast<uint32_t>(w.class_of.size()));
  put(bytes, static_cast<uint32_t>(w.classes.size()));
  put(bytes, static_cast<uint64_t>(w.requests.size()));
  for (const workload_class& c : w.classes)
    for (const double field : {c.bytes, c.base_ms, c.each_ms, c.deadline_ms}) put(bytes, field);
  bytes.append(reinterpret_cast<const char*>(w.class_of.data()), w.class_of.size());
  for (const workload_request& r : w.requests) {
    put(bytes, r.at_us);
    put(bytes, r.model);
  }
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush())
    return core::fail(core::errc::io, file.string() + ": cannot be written");
  return {};
}

bool looks_like_workload(const std::filesystem::path& file) {
  std::array<char, magic.size()> first{};
  std::ifstream in(file, std::ios::binary);
  return in.read(first.data(), first.size()) && first == magic;
}

uint64_t checksum(const workload& w) {
  uint64_t x = 0;
  for (const workload_request& r : w.requests) x = x * 1'099'511'628'211u + r.at_us * 4096 + r.model;
  return x;
}

} // namespace fastptm::sim
