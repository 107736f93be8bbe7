#include "core/net/curl_api.hpp"

#include <array>
#include <dlfcn.h>
#include <string>

namespace gpubroker {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

Result<CurlApi> load_curl() {
  void* library = nullptr;
  for (const char* const name : {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"}) {
    if (library == nullptr) { library = dlopen(name, RTLD_NOW | RTLD_LOCAL); }
  }
  if (library == nullptr) {
    return Error{.kind = ErrorKind::internal,
                 .message = "libcurl is not on this machine",
                 .hint = "install it: apt-get install libcurl4",
                 .source = "network"};
  }
  CurlApi api;
  const bool whole = find(library, "curl_global_init", api.global_init) &&
                     find(library, "curl_easy_init", api.easy_init) &&
                     find(library, "curl_easy_setopt", api.easy_setopt) &&
                     find(library, "curl_easy_getinfo", api.easy_getinfo) &&
                     find(library, "curl_easy_pause", api.easy_pause) &&
                     find(library, "curl_easy_strerror", api.easy_strerror) &&
                     find(library, "curl_easy_cleanup", api.easy_cleanup) &&
                     find(library, "curl_multi_init", api.multi_init) &&
                     find(library, "curl_multi_setopt", api.multi_setopt) &&
                     find(library, "curl_multi_add_handle", api.multi_add_handle) &&
                     find(library, "curl_multi_remove_handle", api.multi_remove_handle) &&
                     find(library, "curl_multi_perform", api.multi_perform) &&
                     find(library, "curl_multi_poll", api.multi_poll) &&
                     find(library, "curl_multi_wakeup", api.multi_wakeup) &&
                     find(library, "curl_multi_info_read", api.multi_info_read) &&
                     find(library, "curl_multi_cleanup", api.multi_cleanup) &&
                     find(library, "curl_slist_append", api.slist_append) &&
                     find(library, "curl_slist_free_all", api.slist_free_all);
  if (!whole) {
    return Error{.kind = ErrorKind::internal,
                 .message = "libcurl on this machine is too old",
                 .hint = "7.68 or newer is needed",
                 .source = "network"};
  }
  api.global_init(CURL_GLOBAL_DEFAULT);
  return api;
}

}  // namespace gpubroker
