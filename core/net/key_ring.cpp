#include "core/net/key_ring.hpp"

#include "core/base/text.hpp"

namespace gpubroker {
namespace {

constexpr Millis kMakeLimit{20'000};

/// The first two words of a public key: its comment is nobody's business.
std::string bare_key(const std::string& line) {
  const std::vector<std::string> words = split(std::string(trim(line)), ' ');
  return words.size() < 2 ? std::string(trim(line)) : words[0] + " " + words[1];
}

}  // namespace

Result<std::optional<NodeKeys>> FileKeyRing::find(const WorkloadId& workload) {
  const std::string folder = folder_ + "/" + workload.value;
  const Result<std::string> login = files_.read(folder + "/id.pub");
  if (!login.ok() && login.error().kind == ErrorKind::not_found) { return std::optional<NodeKeys>{}; }
  if (!login.ok()) { return login.error(); }
  TRY(const std::string host, files_.read(folder + "/host"));
  TRY(const std::string host_public, files_.read(folder + "/host.pub"));
  return std::optional(NodeKeys{.identity = folder + "/id",
                                .public_key = bare_key(login.value()) + " gpubroker",
                                .host_private = Secret(host),
                                .host_public = bare_key(host_public)});
}

Result<NodeKeys> FileKeyRing::ensure(const WorkloadId& workload) {
  const std::lock_guard<std::mutex> hold(mutex_);
  TRY(std::optional<NodeKeys> there, find(workload));
  if (!there) {
    // Whole or not at all: made aside, then put in place at once. Another process may have been quicker.
    const std::string aside = folder_ + "/" + workload.value + "." + std::to_string(random_.next()) + ".new";
    if (Status made = make(aside); !made.ok()) {
      static_cast<void>(files_.remove_all(aside));
      return made.error();
    }
    if (!files_.rename(aside, folder_ + "/" + workload.value).ok()) {
      static_cast<void>(files_.remove_all(aside));
    }
    TRY(there, find(workload));
  }
  if (there) { return *std::move(there); }
  return Error{.kind = ErrorKind::internal,
               .message = "no key pair could be made in " + folder_,
               .source = "ssh-keygen"};
}

Status FileKeyRing::make(const std::string& folder) {
  TRY([[maybe_unused]] const Ok made, files_.make_dirs(folder, 0700));
  for (const char* const name : {"id", "host"}) {
    TRY(const CommandResult result, processes_.run({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                                                             "-C", "gpubroker", "-f", folder + "/" + name}},
                                                   kMakeLimit));
    if (result.exit.code != 0) {
      return Error{.kind = ErrorKind::invalid,
                   .message = "ssh-keygen: " + std::string(trim(result.err)),
                   .hint = "install OpenSSH's client programs",
                   .source = "ssh-keygen"};
    }
  }
  return Ok{};
}

Status FileKeyRing::forget(const WorkloadId& workload) {
  return files_.remove_all(folder_ + "/" + workload.value);
}

}  // namespace gpubroker
