#pragma once
// The file in which kubectl finds its clusters. Source: kubernetes.io/docs/concepts/configuration/
// organize-cluster-access-kubeconfig and client-go's clientcmd, read 2026-11.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"

namespace gpubroker::coreweave {

/// A program that tells the token (client.authentication.k8s.io).
struct TokenProgram {
  std::vector<std::string> argv = {};
  std::map<std::string, std::string> env = {};
  std::string api_version = {};
};

/// What the current context says.
struct KubeContext {
  std::string name = {};
  std::string server = {};      // without a slash at its end
  std::string ca_pem = {};      // from certificate-authority-data
  std::string ca_file = {};     // certificate-authority
  std::string name_space = {};  // empty: "default"
  Secret token = {};
  std::string token_file = {};
  std::optional<TokenProgram> program = {};
};

/// Files as $KUBECONFIG lists them, merged as kubectl does: of what is there twice the first counts. Nothing
/// when none names a current context that is whole. `invalid` when one is no YAML or holds a certificate that
/// is no base64.
Result<std::optional<KubeContext>> parse_kubeconfig(const std::vector<std::string>& texts);

/// The document that such a program is told its cluster with ($KUBERNETES_EXEC_INFO).
std::string encode_program_request(const TokenProgram& program);
/// The token in its answer, an ExecCredential. `auth` when there is none.
Result<Secret> parse_program_answer(std::string_view text);

}  // namespace gpubroker::coreweave
