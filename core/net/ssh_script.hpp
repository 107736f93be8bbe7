#pragma once
// What SshChannel has a node's shell do, and what it makes of the answers. Pure.
#include <string>
#include <vector>

#include "core/ports/node_channel.hpp"

namespace gpubroker {

/// How our scripts say what went wrong; 71: as their last line tells.
inline constexpr int kMissing = 44;    // a file is not there
inline constexpr int kNoProgram = 45;  // our program is not
inline constexpr int kOtherCpu = 46;   // our program is for another CPU than the one told on standard output
inline constexpr int kSshFailed = 255;

std::string folder_of(const std::string& path);
std::string last_line(const std::string& text);

/// `invalid` for what would leave the node's root.
Result<std::string> path_below(const NodeAddress& node, const std::string& path);

/// Whether a path of the node's machine is there for the next node on it too.
bool outlives_node(const NodeAddress& node, const std::string& path);

/// What ssh itself complained of, when it ended with 255.
Error ssh_error(const NodeAddress& node, const std::string& complaint);

/// A failed script of ours, in our kinds.
Error script_error(const NodeAddress& node, const CommandResult& result, const std::string& path);

/// A shell script that enters the command's folder and environment and has its words in "$@". Never a command
/// line, where its values would be seen in a process list.
std::string script_of(const NodeAddress& node, const Command& command);

/// Where our program with this hash lies. The name says what it holds: a file that is there is whole, and an
/// older one is not taken for it.
std::string program_on(const NodeAddress& node, const std::string& hash);

/// Checks and unpacks program.gz, which lies in the folder that the script runs in.
std::string install_script(const NodeAddress& node, const std::string& hash);

/// Moves the files that came as "0", "1" … to where they belong, and makes the folder of the output.
Result<std::string> places_of(const NodeAddress& node, const std::vector<NodeFile>& files,
                              const std::string& output);

/// The command of a session that is sent an archive: unpacks it in a folder of its own and runs `start` out
/// of it. Nothing is in its place before all has come, and nothing is taken by a machine of another CPU than
/// `cpu`; empty: any.
std::string receive_command(const NodeAddress& node, const std::string& cpu);

/// "x86_64" or "arm64" of what `uname -m` says; what it says of others.
std::string cpu_of_uname(const std::string& machine);

}  // namespace gpubroker
