#include "providers/ssh/claims.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/ports/machine_tags.hpp"
#include "core/wire/flat_json.hpp"

namespace gpubroker::ssh {
namespace {

// $1: our folder, or empty. File descriptor 9 holds the lock until the script and all it starts have ended.
constexpr const char* kBegin = R"sh(
base=${1:-$HOME/.gpubroker}
umask 077
mkdir -p "$base" && cd "$base" && base=$(pwd) || exit 71
exec 9>lock
flock -w 20 9 || exit 75
now=$(date +%s)
)sh";

// SSH_CONNECTION: client, its port, server, its port.
constexpr const char* kTell = R"sh(
set -- $SSH_CONNECTION
printf 'folder %s\naddress %s\nnow %s000\n' "$base" "$3" "$now"
[ ! -f claim.json ] || printf 'claim %s\n' "$(cat claim.json)"
[ ! -f ended.json ] || sed 's/^/ended /' ended.json
)sh";

// $2: gang, $3: the claim up to its time. `ln` refuses an existing name.
constexpr const char* kClaim = R"sh(
if [ ! -f claim.json ]; then
  mkdir -p "nodes/$2" && printf '%s,"billed_from":%s000}\n' "$3" "$now" >claim.new && ln claim.new claim.json || exit 71
  rm -f claim.new
fi
)sh";

// $2: gang, $3: why, or empty for no trace. A variable of the environment is a whole line where zero bytes
// end lines.
constexpr const char* kEnd = R"sh(
if [ -f claim.json ] && grep -qF "\"gang\":\"$2\"" claim.json; then
  tries=0
  while pids=$(grep -lzxF "GPUBROKER_SSH_CLAIM=$2" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3) && [ -n "$pids" ]; do
    kill -KILL $pids 2>/dev/null
    tries=$((tries + 1))
    [ $tries -lt 50 ] || { echo "still there: $pids" >&2; exit 76; }
    sleep 0.1
  done
  if [ -n "$3" ]; then
    { [ ! -f ended.json ] || tail -n 50 ended.json | grep -vF "\"gang\":\"$2\""
      printf '%s,"ended_at":%s000,"end_reason":"%s"}\n' "$(sed 's/}$//' claim.json)" "$now" "$3"; } >ended.new
    mv -f ended.new ended.json || exit 71
  fi
  rm -f claim.json
fi
rm -rf "nodes/$2"
)sh";

Command command_of(const Machine& machine, const std::string& body, std::vector<std::string> words) {
  Command command{.argv = {"sh", "-c", kBegin + body + kTell, "gpubroker", machine.folder}, .cwd = "."};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  return command;
}

/// Without the closing brace: the machine adds its time.
std::string encode_request(const GangRequest& request, int rank) {
  std::string json = encode_claim({.token = request.token, .rank = rank, .tags = request.tags});
  json.pop_back();
  return json;
}

Claim read_claim(const FlatValue& from) {
  Claim claim{.token = {from.at("token").text()}, .rank = from.at("rank").whole<int>()};
  claim.tags = {.workload = {from.at("workload").text()},
                .attempt = from.at("attempt").whole<int>(),
                .key = from.at("key").text(),
                .owner = from.at("owner").text(),
                .expires = from.at("expires").instant()};
  if (from.contains("billed_from")) { claim.billed_from = from.at("billed_from").instant(); }
  if (from.contains("ended_at")) {
    claim.ended_at = from.at("ended_at").instant();
    claim.end_reason = from.at("end_reason").text();
  }
  return claim;
}

/// A claim is void after its date, however late that was noticed.
void cut_at_death(Claim& claim) {
  const Instant last = std::max(claim.tags.expires, claim.billed_from);
  if (claim.ended_at && *claim.ended_at > last) {
    claim.ended_at = last;
    claim.end_reason = "expired";
  }
}

}  // namespace

Command command_look(const Machine& machine) {
  return command_of(machine, "", {});
}

Command command_claim(const Machine& machine, const GangRequest& request, int rank) {
  return command_of(machine, kClaim, {gang_name(request.token), encode_request(request, rank)});
}

Command command_end(const Machine& machine, const Token& token, const std::string& reason) {
  return command_of(machine, kEnd, {gang_name(token), reason});
}

Command command_release(const Machine& machine, const Token& token) {
  return command_of(machine, kEnd, {gang_name(token), ""});
}

std::string encode_claim(const Claim& claim) {
  FlatWriter json;
  json.open()
      .field("attempt", claim.tags.attempt)
      .field("expires", claim.tags.expires)
      .field("gang", gang_name(claim.token))
      .field("key", claim.tags.key)
      .field("owner", claim.tags.owner)
      .field("rank", claim.rank)
      .field("token", claim.token.value)
      .field("workload", claim.tags.workload.value);
  if (claim.billed_from != Instant{}) { json.field("billed_from", claim.billed_from); }
  if (claim.ended_at) { json.field("ended_at", *claim.ended_at).field("end_reason", claim.end_reason); }
  json.close();
  return std::move(json).take();
}

Result<Claim> parse_claim(std::string_view json) {
  return read_flat(json, "claim", [](const FlatValue& root) -> Result<Claim> { return read_claim(root); });
}

Result<Look> parse_look(std::string_view text) {
  constexpr Millis kKept = std::chrono::hours{2};
  Look look;
  for (const std::string& line : split(text, '\n')) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) { continue; }
    const std::string word = line.substr(0, space);
    const std::string rest = line.substr(space + 1);
    if (word == "folder") {
      look.folder = rest;
    } else if (word == "address") {
      look.address = rest;
    } else if (word == "now") {
      look.now = {parse_int(rest).value_or(0)};
    } else if (word == "claim") {
      TRY(look.claim, parse_claim(rest));
    } else if (word == "ended") {
      TRY(Claim claim, parse_claim(rest));
      cut_at_death(claim);
      look.ended.push_back(std::move(claim));
    }
  }
  if (look.folder.empty() || look.folder.front() != '/' || look.now.ms <= 0) {
    return Error{.kind = ErrorKind::internal, .message = "the machine's answer has no folder or no time"};
  }
  std::erase_if(look.ended, [&](const Claim& claim) {
    const bool is_old = !claim.ended_at || look.now - *claim.ended_at > kKept;
    return is_old || (look.claim && claim.token == look.claim->token);  // being moved
  });
  return look;
}

NodeId node_id(const Machine& machine, const Token& token) {
  return {"ssh/" + machine.name + "/" + gang_name(token)};
}

NodeView view_of(const Machine& machine, const Look& look, const Claim& claim, const std::string& host_key) {
  NodeView view{.id = node_id(machine, claim.token), .token = claim.token, .index = claim.rank};
  view.offer = {.provider = "ssh", .region = machine.pool, .instance_type = instance_type_of(machine)};
  view.tags = claim.tags;
  view.created_at = claim.billed_from;
  view.billed_from = claim.billed_from;
  view.price = machine.price;
  Claim end = claim;
  if (!end.ended_at && end.tags.expires <= look.now) { end.ended_at = look.now; }
  cut_at_death(end);
  if (end.ended_at) {
    view.state = NodeState::ended;
    view.ended_at = end.ended_at;
    view.end_reason = end.end_reason.empty() ? "expired" : end.end_reason;
    return view;
  }
  view.state = NodeState::running;
  view.address = contact_of(machine);
  view.address.id = view.id;
  if (view.address.peer_host.empty()) { view.address.peer_host = look.address; }
  view.address.root = look.folder + "/nodes/" + gang_name(claim.token);
  view.address.binary = look.folder + "/bin/gpubroker";
  if (view.address.host_key.empty()) { view.address.host_key = host_key; }
  return view;
}

}  // namespace gpubroker::ssh
