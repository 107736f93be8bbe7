#pragma once
// Where Google credentials come from, in the order of Application Default Credentials: the file that is
// named, a GitHub Actions run whose workflow has named its provider, the file of `gcloud auth
// application-default login`, the metadata server; last, gcloud's own login. A file that is named and cannot
// be used is an error: it is not passed over.
#include "core/ports/clock.hpp"
#include "providers/gcp/credentials_codec.hpp"
#include "providers/gcp/settings.hpp"

namespace gpubroker::gcp {

inline constexpr const char* kNeeds =
    "Google credentials: `gcloud auth application-default login`, or a key file in "
    "$GOOGLE_APPLICATION_CREDENTIALS";

struct CredentialsRequest {
  const Settings& settings;
  Files& files;
  Processes& processes;
  Http& http;
  Clock& clock;
};

struct Access {
  AccessToken token = {};
  std::string found_in = {};
  std::string identity = {};  // empty: nobody has told yet
  std::string project = {};   // of the credential; empty: it has none
  std::string quota_project = {};
};

/// A fresh token. `auth` with code "no_credentials" when there is nothing to get one with.
Result<Access> find_access(const CredentialsRequest& request);

/// Whether a credential lies here. Nobody is asked, so a machine of Google's own is not known for one.
bool has_credentials(const Settings& settings, Files& files, Processes& processes);

}  // namespace gpubroker::gcp
