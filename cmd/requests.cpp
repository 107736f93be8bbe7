#include <iostream>
#include <unistd.h>

#include "cmd/commands.hpp"
#include "core/base/text.hpp"
#include "core/broker/broker.hpp"
#include "core/checkpoint/checkpoint.hpp"

namespace gpubroker {
namespace {

Result<bool> agree(const std::string& question, bool yes) {
  if (yes) { return true; }
  if (isatty(STDIN_FILENO) == 0) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "this ends machines and there is no terminal to ask",
                 .hint = "add --yes"};
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return lower(trim(answer)) == "y";
}

}  // namespace

Result<int> run_request(const std::string& verb, const RequestOptions& options, Context& context) {
  UserRequest request{.verb = user_verb_from(verb).value_or(UserVerb::stop)};
  if (!options.to.empty()) {
    const std::vector<std::string> parts = split(options.to, '/');
    request.provider = parts[0];
    if (parts.size() > 1) { request.region = parts[1]; }
  }
  TRY(Journal* const journal, context.journal());
  if (request.verb == UserVerb::down || request.verb == UserVerb::stop) {
    TRY(const bool agreed, agree(verb + " " + join(options.names, ", ") + "?", options.yes));
    if (!agreed) { return 130; }
  }
  for (const std::string& name : options.names) {
    TRY([[maybe_unused]] const Ok asked, ask(*journal, context.clock, name, request));
    std::cerr << verb << " " << name << ": asked\n";
  }
  if (!options.no_supervise) { TRY([[maybe_unused]] const Ok supervised, ensure_supervisor(context)); }
  return 0;
}

Result<int> run_gc(bool yes, Context& context) {
  TRY(Journal* const journal, context.journal());
  TRY(const auto providers, context.providers());
  TRY(const std::vector<FoundNode> found, discover(*journal, providers));
  std::map<std::string, std::vector<NodeId>> unwanted;
  for (const FoundNode& node : found) {
    if (node.wanted) { continue; }
    unwanted[node.provider].push_back(node.view.id);
    std::cerr << node.view.id.value << "  " << format_offer_key(node.view.offer) << "  of "
              << node.view.tags.workload.value << (node.known ? "" : " (not in this journal)") << '\n';
  }
  if (unwanted.empty()) {
    std::cerr << "nothing to collect: " << found.size() << " machines, all wanted\n";
    return 0;
  }
  TRY(const bool agreed, agree("end these machines?", yes));
  if (!agreed) { return 130; }
  for (const auto& [provider, nodes] : unwanted) {
    TRY([[maybe_unused]] const Ok ended, providers.at(provider)->provisioner().terminate(nodes));
  }
  return 0;
}

Result<int> run_logs(const LogOptions& options, Context& context) {
  TRY(Journal* const journal, context.journal_to_read());
  TRY(const WorkloadState state, load_state(*journal, options.name));
  for (const Attempt& attempt : state.attempts) {
    const std::string path = context.home + "/logs/" + state.id.value + "/" + std::to_string(attempt.number) +
                             "-" + std::to_string(options.rank) + ".log";
    for (const char* part : {".1", ""}) {
      (void)context.files.read_pieces(path + part, [](std::string_view piece) -> Status {
        std::cout << piece;
        return Ok{};
      });
    }
  }
  return 0;
}

Result<int> run_checkpoint(const std::string& verb, const std::string& workload, const std::string& id,
                           Context& context) {
  if (verb == "now") {
    TRY(Journal* const writable, context.journal());
    TRY([[maybe_unused]] const Ok asked,
        ask(*writable, context.clock, workload, {.verb = UserVerb::checkpoint}));
    return 0;
  }
  TRY(Journal* const journal, context.journal_to_read());
  TRY(const WorkloadState state, load_state(*journal, workload));
  TRY(const std::unique_ptr<ObjectStore> objects,
      open_object_store(state.task.checkpoint.store, context.files));
  CheckpointStore store(*objects, context.files, context.clock, state.id);
  if (verb == "rm") {
    TRY([[maybe_unused]] const Ok removed, store.remove({id}));
    return 0;
  }
  std::vector<std::string> damaged;
  TRY(const std::vector<Manifest> all, store.list(&damaged));
  int bad = static_cast<int>(damaged.size());
  for (const std::string& one : damaged) { std::cout << one << "\tdamaged manifest\n"; }
  for (const Manifest& manifest : all) {
    if (!id.empty() && manifest.id.value != id) { continue; }
    std::string verdict;
    if (verb == "verify") {
      const Status whole = store.verify(manifest, /*deep=*/true);
      verdict = whole.ok() ? "\twhole" : "\t" + whole.error().message;
      bad += whole.ok() ? 0 : 1;
    }
    std::cout << manifest.id.value << "\tstep " << manifest.step << "\t" << total_size(manifest) << " bytes\t"
              << format_utc(manifest.created_at) << verdict << '\n';
    if (verb == "show") {
      for (const ManifestFile& file : manifest.files) {
        std::cout << "  " << file.path << "\t" << file.size << "\t" << file.sha256 << '\n';
      }
    }
  }
  return bad == 0 ? 0 : 1;
}

}  // namespace gpubroker
