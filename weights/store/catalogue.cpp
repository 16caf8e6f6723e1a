// SQLite in WAL mode with full synchronisation.
#include "weights/store/catalogue.hpp"

#include <charconv>
#include <cstring>
#include <optional>
#include <span>

#include <fmt/format.h>
#include <sqlite3.h>

#include "core/check.hpp"
#include "core/log.hpp"

namespace fastptm::weights {

namespace {

constexpr int application_id = 0x4650544d; // "FPTM": tells our file from other databases
constexpr int schema_version = 2;

constexpr const char* schema = R"(
  CREATE TABLE model (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    card BLOB NOT NULL,
    total_bytes INTEGER NOT NULL,
    shard_count INTEGER NOT NULL,
    architecture TEXT NOT NULL,
    task TEXT NOT NULL,
    published_at_unix_s INTEGER NOT NULL,
    UNIQUE (tenant, name, version)
  ) STRICT;)";

// The highest version of each name that was removed: about 100 bytes for every name that ever lost one, which costs
// less than any publication of it did.
constexpr const char* schema_since_2 = R"(
  CREATE TABLE removed (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, name)
  ) STRICT, WITHOUT ROWID;)";

constexpr std::string_view columns =
    "id, tenant, name, version, manifest, card, total_bytes, shard_count, architecture, task, published_at_unix_s";

core::errc code_of(int status) {
  switch (status & 0xff) {
    case SQLITE_FULL:
      return core::errc::disk_full;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return core::errc::corrupt;
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return core::errc::permission_denied;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return core::errc::unavailable;
    default:
      return core::errc::io;
  }
}

tl::unexpected<core::error> fail(sqlite3* database, std::string_view what) {
  return core::fail(code_of(sqlite3_extended_errcode(database)),
                    fmt::format("catalogue: cannot {}: {}", what, sqlite3_errmsg(database)));
}

core::result<void> execute(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return fail(database, "write");
  return {};
}

// One prepared statement; parameters are bound in order.
class statement {
public:
  statement(sqlite3* database, std::string_view sql) : database_(database) {
    is_ok_ = sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &handle_, nullptr) == SQLITE_OK;
  }
  ~statement() { sqlite3_finalize(handle_); }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;

  statement& bind(int64_t value) { return note(sqlite3_bind_int64(handle_, ++bound_, value)); }
  statement& bind(std::string_view value) {
    return note(sqlite3_bind_text(handle_, ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT));
  }
  statement& bind(const core::digest& value) {
    return note(sqlite3_bind_blob(handle_, ++bound_, value.bytes.data(), static_cast<int>(value.bytes.size()),
                                  SQLITE_TRANSIENT));
  }

  // True: a row is there. False: the end.
  core::result<bool> step() {
    const int status = is_ok_ ? sqlite3_step(handle_) : SQLITE_ERROR;
    if (status == SQLITE_ROW) return true;
    if (status == SQLITE_DONE) return false;
    return fail(database_, "read or write a row");
  }

  int64_t integer(int column) const { return sqlite3_column_int64(handle_, column); }
  std::string text(int column) const {
    const auto* begin = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    return {begin, static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
  }
  std::optional<core::digest> digest(int column) const {
    core::digest value;
    const void* bytes = sqlite3_column_blob(handle_, column);
    if (static_cast<size_t>(sqlite3_column_bytes(handle_, column)) != value.bytes.size()) return std::nullopt;
    std::memcpy(value.bytes.data(), bytes, value.bytes.size());
    return value;
  }

private:
  statement& note(int status) {
    is_ok_ = is_ok_ && status == SQLITE_OK;
    return *this;
  }

  sqlite3* const database_;
  sqlite3_stmt* handle_ = nullptr;
  int bound_ = 0;
  bool is_ok_ = false;
};

// Requires: the statement selects `columns` and stands on a row.
core::result<catalogue_entry> read_row(const statement& row) {
  const auto manifest = row.digest(4), card = row.digest(5);
  if (!manifest || !card) return core::fail(core::errc::corrupt, "catalogue: a row without digests");
  return catalogue_entry{.id = {static_cast<uint64_t>(row.integer(0))},
                         .tenant = row.text(1),
                         .name = row.text(2),
                         .version = static_cast<uint32_t>(row.integer(3)),
                         .manifest = *manifest,
                         .card = *card,
                         .total_bytes = static_cast<uint64_t>(row.integer(6)),
                         .shard_count = static_cast<uint32_t>(row.integer(7)),
                         .architecture = row.text(8),
                         .task = row.text(9),
                         .published_at_unix_s = row.integer(10)};
}

core::result<int64_t> read_pragma(sqlite3* database, std::string_view name) {
  statement query(database, fmt::format("PRAGMA {}", name));
  const auto row = query.step();
  if (!row) return core::fail(row.error());
  return *row ? query.integer(0) : 0;
}

} // namespace

std::string catalogue_entry::full_name() const {
  return fmt::format("{}/{}@{}", tenant, name, version);
}

void catalogue::closer::operator()(sqlite3* database) const {
  sqlite3_close_v2(database);
}

catalogue::catalogue(std::unique_ptr<sqlite3, closer> database) : database_(std::move(database)) {}

core::result<catalogue> catalogue::open(const std::filesystem::path& file) {
  sqlite3* raw = nullptr;
  const int status =
      sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  catalogue opened{std::unique_ptr<sqlite3, closer>(raw)};
  if (status != SQLITE_OK) return fail(raw, fmt::format("open {}", core::printable(file.string(), 200)));
  sqlite3_busy_timeout(raw, 2000);
  auto ok = execute(raw, "PRAGMA journal_mode = WAL")
                .and_then([&] { return execute(raw, "PRAGMA synchronous = FULL"); })
                .and_then([&] { return opened.prepare_schema(); });
  if (!ok) return core::fail(ok.error());
  return opened;
}

core::result<void> catalogue::prepare_schema() {
  const auto version = read_pragma(database_.get(), "user_version");
  if (!version) return core::fail(version.error());
  const auto owner = read_pragma(database_.get(), "application_id");
  if (!owner) return core::fail(owner.error());
  if (*version == schema_version && *owner == application_id) return {};
  const bool is_new = *version == 0 && *owner == 0;
  if (!is_new && (*version != 1 || *owner != application_id)) {
    return core::fail(
        core::errc::version_mismatch,
        fmt::format("catalogue: schema version {}, this build reads {}: use the build that made the state folder",
                    *version, schema_version));
  }
  return execute(database_.get(),
                 fmt::format("BEGIN IMMEDIATE; {} {} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
                             is_new ? schema : "", schema_since_2, application_id, schema_version)
                     .c_str());
}

core::result<catalogue_entry> catalogue::add(catalogue_entry entry) {
  // One statement is one transaction: the version is chosen and taken at once.
  statement insert(
      database_.get(),
      "INSERT INTO model (tenant, name, version, manifest, card, total_bytes, shard_count, architecture, task, "
      "published_at_unix_s) VALUES (?1, ?2, (SELECT coalesce(max(version), 0) + 1 FROM (SELECT version FROM model "
      "WHERE tenant = ?1 AND name = ?2 UNION ALL SELECT version FROM removed WHERE tenant = ?1 AND name = ?2)), "
      "?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id, version");
  insert.bind(entry.tenant).bind(entry.name).bind(entry.manifest).bind(entry.card);
  insert.bind(static_cast<int64_t>(entry.total_bytes)).bind(int64_t{entry.shard_count});
  insert.bind(entry.architecture).bind(entry.task).bind(entry.published_at_unix_s);
  const auto row = insert.step();
  if (!row) return core::fail(row.error());
  core::check(*row, "an INSERT with RETURNING returns its row");
  entry.id = {static_cast<uint64_t>(insert.integer(0))};
  entry.version = static_cast<uint32_t>(insert.integer(1));
  // Committed when the statement has run to its end, not at its first row.
  if (const auto end = insert.step(); !end) return core::fail(end.error());
  return entry;
}

core::result<void> catalogue::remove(std::span<const core::model_id> models) {
  if (auto begun = execute(database_.get(), "BEGIN IMMEDIATE"); !begun) return begun;
  core::result<void> done;
  for (const auto model : models)
    if (done) done = remove_row(model);
  if (done) done = execute(database_.get(), "COMMIT");
  if (!done) (void)execute(database_.get(), "ROLLBACK"); // what failed is what the caller hears of
  return done;
}

core::result<void> catalogue::remove_row(core::model_id model) {
  statement remember(
      database_.get(),
      "INSERT INTO removed (tenant, name, version) SELECT tenant, name, version FROM model WHERE id = ?1 "
      "ON CONFLICT (tenant, name) DO UPDATE SET version = max(version, excluded.version)");
  remember.bind(static_cast<int64_t>(model.value));
  if (const auto done = remember.step(); !done) return core::fail(done.error());
  statement removal(database_.get(), "DELETE FROM model WHERE id = ?1");
  removal.bind(static_cast<int64_t>(model.value));
  if (const auto done = removal.step(); !done) return core::fail(done.error());
  return {};
}

core::result<std::vector<catalogue_entry>> catalogue::newer_than(core::model_id known) const {
  statement select(database_.get(), fmt::format("SELECT {} FROM model WHERE id > ?1 ORDER BY id", columns));
  select.bind(static_cast<int64_t>(known.value));
  std::vector<catalogue_entry> entries;
  for (;;) {
    const auto row = select.step();
    if (!row) return core::fail(row.error());
    if (!*row) return entries;
    auto entry = read_row(select);
    if (!entry) return core::fail(entry.error());
    entries.push_back(std::move(*entry));
  }
}

core::result<catalogue_entry> catalogue::find(std::string_view model) const {
  const auto missing = [&] {
    return core::fail(core::errc::not_found,
                      fmt::format("no model '{}': a name is TENANT/NAME@VERSION", core::printable(model, 160)));
  };
  const auto slash = model.find('/');
  if (slash == std::string_view::npos) return missing();
  const auto at = model.find('@', slash);
  uint32_t version = 0; // any: the newest
  if (at != std::string_view::npos) {
    const auto digits = model.substr(at + 1);
    const auto [end, failed] = std::from_chars(digits.begin(), digits.end(), version);
    if (failed != std::errc() || end != digits.end() || version == 0) return missing();
  }
  statement select(database_.get(), fmt::format("SELECT {} FROM model WHERE tenant = ?1 AND name = ?2 AND (?3 = 0 OR "
                                                "version = ?3) ORDER BY version DESC LIMIT 1",
                                                columns));
  select.bind(model.substr(0, slash)).bind(model.substr(slash + 1, at == std::string_view::npos ? at : at - slash - 1));
  select.bind(int64_t{version});
  const auto row = select.step();
  if (!row) return core::fail(row.error());
  if (!*row) return missing();
  return read_row(select);
}

} // namespace fastptm::weights
