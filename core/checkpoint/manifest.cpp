#include <algorithm>
#include <set>

#include "core/base/text.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/wire/json.hpp"
#include "core/wire/sha256.hpp"

namespace gpubroker {
namespace {

constexpr std::string_view kSeal = "\nsha256:";
constexpr std::size_t kHexSize = 64;
constexpr std::size_t kMostBytes = 64U << 20U;
constexpr std::int64_t kLargestFile = std::int64_t{1} << 50;  // a million of them still add up in 64 bits

Error damaged(const std::string& what, const std::string& code) {
  return {.kind = ErrorKind::internal,
          .message = "a damaged manifest: " + what,
          .source = "manifest",
          .code = code};
}

bool is_hash(const std::string& text) {
  return text.size() == kHexSize && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// A path stays below the folder it is written to.
bool is_safe(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos) { return false; }
  const std::vector<std::string> parts = split(path, '/');
  return std::none_of(parts.begin(), parts.end(),
                      [](const std::string& p) { return p.empty() || p == "." || p == ".."; });
}

Result<ManifestFile> decode_file(const Json& from, std::int64_t piece_size) {
  ManifestFile file{.path = from.at("path"),
                    .size = whole<std::int64_t>(from.at("size")),
                    .sha256 = from.at("sha256"),
                    .pieces = from.at("pieces").get<std::vector<std::string>>(),
                    .mode = whole<int>(from.at("mode"))};
  if (!is_safe(file.path)) { return damaged("unsafe path " + file.path, "corrupt"); }
  if (file.size < 0 || file.size > kLargestFile) { return damaged("an impossible size", "corrupt"); }
  const std::int64_t pieces = file.size / piece_size + (file.size % piece_size == 0 ? 0 : 1);
  if (pieces != static_cast<std::int64_t>(file.pieces.size())) {
    return damaged("wrong number of pieces", "corrupt");
  }
  if (!is_hash(file.sha256) || !std::all_of(file.pieces.begin(), file.pieces.end(), is_hash)) {
    return damaged("not a hash", "corrupt");
  }
  if ((file.mode & ~0777) != 0) { return damaged("unknown mode bits", "corrupt"); }
  return file;
}

Result<Manifest> decode(const Json& from) {
  Manifest manifest{.id = {from.at("id")},
                    .workload = {from.at("workload")},
                    .attempt = whole<int>(from.at("attempt")),
                    .step = whole<std::int64_t>(from.at("step")),
                    .world_size = whole<int>(from.at("world_size")),
                    .created_at = {whole<std::int64_t>(from.at("created_at"))},
                    .piece_size = whole<std::int64_t>(from.at("piece_size"))};
  if (manifest.piece_size < 1 || manifest.piece_size > kLargestFile) {
    return damaged("piece size", "corrupt");
  }
  std::set<std::string> paths;
  for (const Json& entry : items_of(from.at("files"))) {
    TRY(ManifestFile file, decode_file(entry, manifest.piece_size));
    if (!paths.insert(file.path).second) { return damaged("a path twice: " + file.path, "corrupt"); }
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

}  // namespace

std::int64_t total_size(const Manifest& manifest) {
  std::int64_t sum = 0;
  for (const ManifestFile& file : manifest.files) { sum += file.size; }
  return sum;
}

std::string encode_manifest(const Manifest& manifest) {
  Json json = {{"id", manifest.id.value},           {"workload", manifest.workload.value},
               {"attempt", manifest.attempt},       {"step", manifest.step},
               {"world_size", manifest.world_size}, {"created_at", manifest.created_at.ms},
               {"piece_size", manifest.piece_size}, {"files", Json::array()}};
  for (const ManifestFile& file : manifest.files) {
    json["files"].push_back({{"path", file.path},
                             {"size", file.size},
                             {"sha256", file.sha256},
                             {"pieces", file.pieces},
                             {"mode", file.mode}});
  }
  const std::string body = dump_json(json);
  return body + std::string(kSeal) + sha256_hex(body) + "\n";
}

Result<Manifest> parse_manifest(std::string_view text) {
  if (text.size() > kMostBytes) { return damaged("larger than 64 MiB", "corrupt"); }
  const std::size_t tail = kSeal.size() + kHexSize + 1;
  if (text.size() < tail || text.substr(text.size() - tail, kSeal.size()) != kSeal || text.back() != '\n') {
    return damaged("its end is missing", "torn");
  }
  const std::string_view body = text.substr(0, text.size() - tail);
  if (sha256_hex(body) != text.substr(text.size() - kHexSize - 1, kHexSize)) {
    return damaged("its own hash does not fit", "corrupt");
  }
  Result<Manifest> manifest = read_json(body, "manifest", decode);
  if (!manifest.ok() && manifest.error().code.empty()) {
    return damaged(manifest.error().message, "corrupt");
  }
  return manifest;
}

CheckpointId make_checkpoint_id(std::int64_t step, int attempt) {
  const std::string number = std::to_string(step);
  const std::string life = std::to_string(attempt);
  return {std::string(12 - std::min<std::size_t>(12, number.size()), '0') + number + "-a" +
          std::string(3 - std::min<std::size_t>(3, life.size()), '0') + life};
}

}  // namespace gpubroker
