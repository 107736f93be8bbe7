// Large files for machines that outlive a node: only what is not there yet is sent.
//
//   <folder>/bin/gpubroker-…    our program
//   <folder>/pieces/<sha256>    what archives were made of; those that none was made of for 30 days are
//   removed
#include <set>

#include "core/base/text.hpp"
#include "core/net/archive_pieces.hpp"
#include "core/net/ssh_channel.hpp"
#include "core/net/ssh_script.hpp"
#include "core/wire/tar.hpp"

namespace gpubroker {
namespace {

constexpr Millis kUsual{60'000};
constexpr Millis kLong{600'000};
/// Sent at once: a session costs 15 ms of work, and this much is held in memory for each node that is sent
/// to.
constexpr std::int64_t kBatch = 4 << 20;

std::string pieces_folder(const NodeAddress& node) {
  return folder_of(folder_of(node.binary)) + "/pieces";
}

std::string shell(const std::string& script) {
  return "exec sh -c " + shell_quoted(script);
}

std::string enter_pieces(const NodeAddress& node) {
  const std::string folder = shell_quoted(pieces_folder(node));
  return "umask 077; mkdir -p " + folder + " && cd " + folder + " || exit 71; ";
}

/// One line for each that is not there.
std::string ask_command(const NodeAddress& node) {
  return shell(enter_pieces(node) +
               "while read -r piece; do test -e \"$piece\" || echo \"$piece\"; done; echo end");
}

/// Each piece is what its name says, or none is taken.
std::string take_command(const NodeAddress& node) {
  return shell(enter_pieces(node) +
               "d=$(mktemp -d .part.XXXXXX) && cd \"$d\" && tar -xof - && "
               "for f in *; do echo \"$f  $f\"; done | sha256sum -c - >/dev/null && mv -f * ..; "
               "code=$?; cd ..; rm -rf \"$d\"; exit $code");
}

/// The list of pieces comes in, the file is made of them. When it is not what it should be, a piece has been
/// damaged: all of them are sent anew the next time.
std::string join_command(const NodeAddress& node, const std::string& target, const std::string& sha256) {
  const std::string name = shell_quoted(target);
  return shell(enter_pieces(node) + "l=$(mktemp .list.XXXXXX) && cat > \"$l\" && mkdir -p " +
               shell_quoted(folder_of(target)) + " && xargs cat < \"$l\" > " + name + ".part || exit 71; " +
               "echo '" + sha256 + "  '" + name + ".part | sha256sum -c - >/dev/null; code=$?; " +
               "if [ $code = 0 ]; then mv -f " + name + ".part " + name +
               "; xargs touch -c < \"$l\"; else rm -f " + name + ".part; xargs rm -f < \"$l\"; fi; " +
               "rm -f \"$l\"; find . -type f -mtime +30 -exec rm -f {} +; exit $code");
}

std::string list_of(const CutArchive& archive) {
  std::string list;
  for (const ArchivePiece& piece : archive.pieces) { list += piece.sha256 + "\n"; }
  return list;
}

}  // namespace

Result<std::shared_ptr<const CutArchive>> SshChannel::cut(const std::string& local_path) {
  const std::lock_guard<std::mutex> hold(cut_mutex_);
  TRY(const FileInfo info, files_.stat(local_path));
  const std::string name =
      local_path + " " + std::to_string(info.size) + " " + std::to_string(info.modified_ns);
  if (cut_name_ != name) {
    TRY(CutArchive archive, cut_archive(files_, local_path));
    cut_ = std::make_shared<const CutArchive>(std::move(archive));
    cut_name_ = name;
  }
  return cut_;
}

Result<bool> SshChannel::put_pieces(const NodeAddress& node, const std::string& target,
                                    const std::string& local_path) {
  TRY(const std::shared_ptr<const CutArchive> archive, cut(local_path));
  const std::string list = list_of(*archive);
  TRY(const CommandResult asked, remote(node, ask_command(node), {.stdin_bytes = list}, kUsual));
  const std::vector<std::string> lines = split(trim(asked.out), '\n');
  if (asked.exit.code != 0 || lines.back() != "end") { return false; }
  std::set<std::string> missing(lines.begin(), lines.end() - 1);
  std::string batch;
  const auto send = [&]() -> Result<bool> {
    append_tar_end(batch);
    TRY(const CommandResult sent, remote(node, take_command(node), {.stdin_bytes = std::move(batch)}, kLong));
    batch.clear();
    return sent.exit.code == 0;
  };
  for (const ArchivePiece& piece : archive->pieces) {
    if (missing.erase(piece.sha256) == 0) { continue; }  // there, or a second time the same
    TRY(const std::string bytes, files_.read_at(local_path, piece.offset, piece.size));
    append_tar_file(batch, piece.sha256, 0600, bytes);
    if (static_cast<std::int64_t>(batch.size()) < kBatch && !missing.empty()) { continue; }
    TRY(const bool taken, send());
    if (!taken) { return false; }
  }
  TRY(const CommandResult joined,
      remote(node, join_command(node, target, archive->sha256), {.stdin_bytes = list}, kLong));
  return joined.exit.code == 0;
}

}  // namespace gpubroker
