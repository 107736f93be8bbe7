#include "core/checkpoint/s3_settings.hpp"

#include "core/wire/ini.hpp"
#include "core/wire/url.hpp"

namespace gpubroker {
namespace {

std::string value_at(const Environment& place, const char* name) {
  return place(name).value_or("");
}

std::string first_of(const StoreAccess& access, const std::vector<const char*>& names) {
  for (const Environment& place : access.places) {
    for (const char* name : names) {
      if (std::string value = value_at(place, name); !value.empty()) { return value; }
    }
  }
  return {};
}

/// One of AWS's own files; what cannot be read is as if it were not there.
Ini read_user_file(const StoreAccess& access, Files& files, const char* variable, const std::string& name) {
  std::string path = first_of(access, {variable});
  const std::string home = first_of(access, {"HOME"});
  if (path.empty() && !home.empty()) { path = home + "/.aws/" + name; }
  const Result<std::string> text =
      path.empty() ? Error{.kind = ErrorKind::not_found, .message = "no home folder"} : files.read(path);
  return text.ok() ? parse_ini(text.value()) : Ini{};
}

/// Fills in what the environment has left open.
void add_user_files(const StoreAccess& access, Files& files, S3Settings& settings) {
  const std::string named = first_of(access, {"AWS_PROFILE"});
  const std::string profile = named.empty() ? "default" : named;
  const std::string section = profile == "default" ? profile : "profile " + profile;
  const Ini config = read_user_file(access, files, "AWS_CONFIG_FILE", "config");
  const Ini credentials = read_user_file(access, files, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  if (settings.keys.id.empty()) {
    const Ini& from = ini_value(credentials, profile, "aws_access_key_id").empty() ? config : credentials;
    const std::string& own = &from == &config ? section : profile;
    settings.keys = {.id = ini_value(from, own, "aws_access_key_id"),
                     .secret = Secret(ini_value(from, own, "aws_secret_access_key")),
                     .token = Secret(ini_value(from, own, "aws_session_token"))};
  }
  if (settings.region.empty()) { settings.region = ini_value(config, section, "region"); }
  if (settings.endpoint.empty()) { settings.endpoint = ini_value(config, section, "endpoint_url"); }
}

Error not_set(const char* message) {
  return {.kind = ErrorKind::auth,
          .message = message,
          .hint = "export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
          .source = "checkpoint.store",
          .scope = ErrorScope::account};
}

}  // namespace

Result<S3Settings> read_s3_settings(const StoreAccess& access, Files& files) {
  S3Settings settings{.region = first_of(access, {"AWS_REGION", "AWS_DEFAULT_REGION"}),
                      .endpoint = first_of(access, {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"})};
  for (const Environment& place : access.places) {
    // A secret or a token of another place would be of another key.
    if (value_at(place, "AWS_ACCESS_KEY_ID").empty()) { continue; }
    settings.keys = {.id = value_at(place, "AWS_ACCESS_KEY_ID"),
                     .secret = Secret(value_at(place, "AWS_SECRET_ACCESS_KEY")),
                     .token = Secret(value_at(place, "AWS_SESSION_TOKEN"))};
    break;
  }
  if (access.reads_user_files) { add_user_files(access, files, settings); }
  if (settings.keys.id.empty()) { return not_set("AWS_ACCESS_KEY_ID is not set"); }
  if (settings.keys.secret.empty()) { return not_set("AWS_SECRET_ACCESS_KEY is not set"); }
  if (settings.region.empty()) { settings.region = "us-east-1"; }
  if (!settings.endpoint.empty() && !split_url(settings.endpoint).ok()) {
    return Error{.kind = ErrorKind::invalid,
                 .message = "not a URL: " + settings.endpoint,
                 .hint = "AWS_ENDPOINT_URL_S3=https://s3.example.org",
                 .source = "AWS_ENDPOINT_URL_S3"};
  }
  return settings;
}

}  // namespace gpubroker
