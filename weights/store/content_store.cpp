// Temporary file, fsync, its name, fsync of the folder: in this order, so that a name never stands for a part.
#include "weights/store/content_store.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/descriptor.hpp"
#include "core/log.hpp"
#include "core/mutex.hpp"
#include "core/random.hpp"
#include "models/registry.hpp"
#include "weights/import/regular_file.hpp"

namespace fastptm::weights {

namespace {

namespace fs = std::filesystem;

constexpr size_t direct_read_alignment = 4096;

constexpr std::string_view parts[] = {"objects", "sets", "temp", "spool"};

core::error os_error(const fs::path& path, std::string_view what) {
  return core::from_errno(errno, fmt::format("{}: cannot {}", core::printable(path.string(), 200), what));
}

core::result<void> sync_folder(const fs::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return core::fail(os_error(folder, "open the folder"));
  const bool ok = ::fsync(descriptor) == 0;
  const auto failed = ok ? core::error{} : os_error(folder, "sync the folder");
  ::close(descriptor);
  if (!ok) return core::fail(failed);
  return {};
}

// Of the bytes on the disk, not of those that the kernel remembers of it. Nothing: there is no such file, or it cannot
// be read.
std::optional<core::digest> digest_on_disk(const fs::path& file) {
  constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
  core::descriptor opened(::open(file.c_str(), flags | O_DIRECT));
  if (!opened && errno == EINVAL) opened = core::descriptor(::open(file.c_str(), flags));
  if (!opened) return std::nullopt;
  struct free_bytes {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  const std::unique_ptr<std::byte, free_bytes> buffer(
      static_cast<std::byte*>(std::aligned_alloc(direct_read_alignment, chunk_bytes)));
  core::check(buffer != nullptr, "there is memory for a chunk");
  sha256_stream digest;
  ssize_t n = 0;
  while ((n = ::read(opened.get(), buffer.get(), chunk_bytes)) != 0) {
    if (n > 0)
      digest.update({buffer.get(), static_cast<size_t>(n)});
    else if (errno != EINTR)
      return std::nullopt;
  }
  return digest.finish();
}

// A disk may have changed what it was given to keep: equal sizes are no equal bytes.
bool holds(const fs::path& file, const stored_object& object) {
  std::error_code ignored;
  return fs::file_size(file, ignored) == object.size_bytes && digest_on_disk(file) == object.digest;
}

// Removes what `goes` says from one part of the store; folders with all that is in them.
core::result<garbage> sweep(const fs::path& part, const auto& goes) {
  garbage removed;
  std::error_code failed;
  for (fs::directory_iterator at(part, failed), end; !failed && at != end; at.increment(failed)) {
    if (!goes(at->path().filename().string())) continue;
    std::error_code ignored; // a size is only for the report
    const uint64_t size_bytes = at->is_regular_file(ignored) ? at->file_size(ignored) : 0;
    const uint64_t count = fs::remove_all(at->path(), failed);
    if (failed) break;
    removed.files += count;
    removed.bytes += size_bytes;
  }
  if (failed)
    return core::fail(core::from_errno(failed.value(), core::printable(part.string(), 200) + ": cannot sweep"));
  return removed;
}

} // namespace

// -- object_writer ----------------------------------------------------------------------------------------------------

object_writer::object_writer(int descriptor, fs::path temporary, fs::path objects)
    : descriptor_(descriptor), temporary_(std::move(temporary)), objects_(std::move(objects)) {}

object_writer::object_writer(object_writer&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), temporary_(std::move(other.temporary_)),
      objects_(std::move(other.objects_)), digest_(std::move(other.digest_)), size_bytes_(other.size_bytes_) {}

object_writer::~object_writer() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

core::result<void> object_writer::append(std::span<const std::byte> data) {
  digest_.update(data);
  const uint64_t start = size_bytes_;
  while (!data.empty()) {
    const ssize_t n = ::write(descriptor_, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return core::fail(os_error(temporary_, "write"));
    data = data.subspan(static_cast<size_t>(n));
    size_bytes_ += static_cast<uint64_t>(n);
  }
  // Lets the disk begin, so that the fsync at the end finds little to do; a refusal costs only time.
  ::sync_file_range(descriptor_, static_cast<off_t>(start), static_cast<off_t>(size_bytes_ - start),
                    SYNC_FILE_RANGE_WRITE);
  return {};
}

core::result<stored_object> object_writer::commit() {
  stored_object made{digest_.finish(), size_bytes_};
  const fs::path target = objects_ / made.digest.hex();
  if (holds(target, made)) return made;
  if (::fsync(descriptor_) != 0) return core::fail(os_error(temporary_, "sync"));
  // A link refuses to replace: of two writers of the same bytes, one brings them.
  // The destructor removes the other name.
  made.is_new = ::link(temporary_.c_str(), target.c_str()) == 0;
  if (made.is_new) return made;
  const bool was_there = errno == EEXIST;
  if (was_there && holds(target, made)) return made;
  if (::rename(temporary_.c_str(), target.c_str()) != 0) return core::fail(os_error(target, "put the object in place"));
  made.is_new = !was_there;
  made.is_restored = was_there;
  return made;
}

// -- content_store ----------------------------------------------------------------------------------------------------

content_store::content_store(fs::path folder)
    : folder_(std::move(folder)), publishing_(std::make_unique<core::mutex>()),
      unique_prefix_(fmt::format("{:016x}", core::true_random_u64())) {}

core::result<content_store> content_store::open(const fs::path& folder) {
  for (const auto part : parts) {
    std::error_code failed;
    fs::create_directories(folder / part, failed);
    if (failed) {
      return core::fail(core::from_errno(failed.value(),
                                         core::printable((folder / part).string(), 200) + ": cannot make the folder"));
    }
  }
  if (auto ok = sync_folder(folder); !ok) return core::fail(ok.error());
  return content_store(folder);
}

fs::path content_store::object_path(const core::digest& name) const {
  return folder_ / "objects" / name.hex();
}
fs::path content_store::set_path(const core::digest& name) const {
  return folder_ / "sets" / name.hex();
}

fs::path content_store::unique_path(std::string_view part) {
  static std::atomic<uint64_t> count{0}; // a name generator: only has to differ within this process
  return folder_ / part / fmt::format("{}-{}", unique_prefix_, count.fetch_add(1));
}

core::result<manifest> content_store::read_manifest(const core::digest& name) const {
  const std::string what = "manifest " + name.short_hex();
  const auto bytes = read_small_file(set_path(name), what, max_manifest_bytes);
  if (!bytes) return core::fail(bytes.error());
  const auto encoded = std::as_bytes(std::span(*bytes));
  if (digest_of(encoded) != name)
    return core::fail(core::errc::corrupt, what + ": its bytes are not those it is named by");
  return weights::decode(encoded);
}

core::result<object_writer> content_store::begin(const fs::path& target_folder) {
  fs::path temporary = unique_path("temp");
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return core::fail(os_error(temporary, "make the file"));
  return object_writer(descriptor, std::move(temporary), target_folder);
}

core::result<object_writer> content_store::begin_object() {
  return begin(folder_ / "objects");
}

core::result<stored_object> content_store::put_object(std::string_view bytes) {
  auto writer = begin_object();
  if (!writer) return core::fail(writer.error());
  if (auto ok = writer->append(std::as_bytes(std::span(bytes))); !ok) return core::fail(ok.error());
  return writer->commit();
}

core::result<stored_object> content_store::put_manifest(const manifest& set) {
  const auto encoded = encode(set);
  if (encoded.size() > max_manifest_bytes) {
    return core::fail(core::errc::invalid, fmt::format("the model's manifest has {} bytes, more than the limit of {}",
                                                       encoded.size(), max_manifest_bytes));
  }
  auto writer = begin(folder_ / "sets");
  if (!writer) return core::fail(writer.error());
  if (auto ok = writer->append(encoded); !ok) return core::fail(ok.error());
  return writer->commit();
}

core::result<void> content_store::sync() {
  if (auto ok = sync_folder(folder_ / "objects"); !ok) return ok;
  return sync_folder(folder_ / "sets");
}

void content_store::discard_object(const core::digest& name) {
  ::unlink(object_path(name).c_str());
}
void content_store::discard_manifest(const core::digest& name) {
  ::unlink(set_path(name).c_str());
}

garbage content_store::remove(std::span<const core::digest> objects, std::span<const core::digest> sets) {
  garbage removed;
  const auto remove_file = [&](const fs::path& file) {
    std::error_code failed;
    const uint64_t size_bytes = fs::file_size(file, failed);
    if (failed || ::unlink(file.c_str()) != 0) return;
    ++removed.files;
    removed.bytes += size_bytes;
  };
  // The sets first: whatever a crash leaves, no set names an object that is gone.
  for (const auto& name : sets) remove_file(set_path(name));
  for (const auto& name : objects) remove_file(object_path(name));
  return removed;
}

core::result<collection> content_store::collect_garbage(std::span<const live_model> live) {
  collection done;
  std::unordered_set<std::string> sets, objects;
  for (const auto& model : live) {
    objects.insert(model.card.hex());
    if (!sets.insert(model.manifest.hex()).second) continue;
    if (const auto set = read_manifest(model.manifest))
      for (const auto& shard : set->shards) objects.insert(shard.digest.hex());
    else
      done.unreadable.push_back(model.manifest);
  }

  const auto everything = [](const std::string&) { return true; };
  const auto add = [&](const core::result<garbage>& removed) -> core::result<void> {
    if (!removed) return core::fail(removed.error());
    done.removed.files += removed->files;
    done.removed.bytes += removed->bytes;
    return {};
  };
  auto ok =
      add(sweep(folder_ / "temp", everything)).and_then([&] { return add(sweep(folder_ / "spool", everything)); });
  if (ok && done.unreadable.empty())
    ok = add(sweep(folder_ / "sets", [&](const auto& name) { return !sets.contains(name); })).and_then([&] {
      return add(sweep(folder_ / "objects", [&](const auto& name) { return !objects.contains(name); }));
    });
  if (!ok) return core::fail(ok.error());
  return done;
}

} // namespace fastptm::weights
