#pragma once
// The claim: a file on the machine that says whose it is. Pure: what is run on the machine and what it
// answers.
#include <optional>
#include <string>
#include <vector>

#include "core/ports/process.hpp"
#include "core/ports/provider.hpp"
#include "providers/ssh/machine_list.hpp"

namespace gpubroker::ssh {

/// In the environment of everything that runs for a claim, with gang_name of its token: so that it is found
/// wherever it went.
inline constexpr const char* kCookie = "GPUBROKER_SSH_CLAIM";

struct Claim {
  Token token = {};
  int rank = 0;
  Tags tags = {};
  Instant billed_from = {};              // by the machine's clock, whole seconds, as all of its times
  std::optional<Instant> ended_at = {};  // of an ended one
  std::string end_reason = {};           // "terminated", "expired"
  bool operator==(const Claim&) const = default;
};

/// What a machine tells of itself.
struct Look {
  std::string folder = {};   // ours there, absolute
  std::string address = {};  // where our ssh arrived: the other nodes reach it there too
  Instant now = {};          // by its clock
  std::optional<Claim> claim = {};
  std::vector<Claim> ended = {};  // of the last hour and more
  [[nodiscard]] bool is_expired() const { return claim && claim->tags.expires <= now; }
  [[nodiscard]] bool is_free() const { return !claim || is_expired(); }
  bool operator==(const Look&) const = default;
};

// Each command holds the machine's lock, so that of two laptops one comes after the other, changes what it
// says and answers as command_look does. They need flock, ps and GNU grep there, and nothing of ours. Exit
// 75: the lock was not had for 20 s; 76: processes of the claim outlive their KILL, and the claim stands.

Command command_look(const Machine& machine);
/// Claims it for this rank unless a claim is there, whoever's: the answer tells whose it is now.
Command command_claim(const Machine& machine, const GangRequest& request, int rank);
/// Ends all that runs for that token, wipes its folder and files its claim under the ended; the claim of
/// another is left alone.
Command command_end(const Machine& machine, const Token& token, const std::string& reason);
/// The same without a trace: for a claim whose gang was never whole.
Command command_release(const Machine& machine, const Token& token);

/// What one of the commands wrote. Fails with `internal` when it cannot be read.
Result<Look> parse_look(std::string_view text);

/// One claim as it is kept here and there.
std::string encode_claim(const Claim& claim);
Result<Claim> parse_claim(std::string_view json);

/// The node that a claim is. `host_key`: pinned, or empty.
NodeView view_of(const Machine& machine, const Look& look, const Claim& claim, const std::string& host_key);
/// "ssh/box1/gb-llama-7k2q-a1".
NodeId node_id(const Machine& machine, const Token& token);

}  // namespace gpubroker::ssh
