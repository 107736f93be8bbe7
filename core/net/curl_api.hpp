#pragma once
// libcurl, loaded when it is first needed: a program that is linked with it starts in 13 ms (37 shared
// libraries), and most commands never touch the network. Its ABI (libcurl.so.4) has been stable since 2006.
#define CURL_DISABLE_TYPECHECK
#include <memory>

#include <curl/curl.h>

#include "core/base/result.hpp"

namespace gpubroker {

/// The functions of libcurl that are used here.
struct CurlApi {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&curl_easy_pause) easy_pause = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_multi_init) multi_init = nullptr;
  decltype(&curl_multi_setopt) multi_setopt = nullptr;
  decltype(&curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&curl_multi_perform) multi_perform = nullptr;
  decltype(&curl_multi_poll) multi_poll = nullptr;
  decltype(&curl_multi_wakeup) multi_wakeup = nullptr;
  decltype(&curl_multi_info_read) multi_info_read = nullptr;
  decltype(&curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;
};

/// Loads it. The library is never unloaded: its global state must outlive every thread. `internal` with what
/// to install when it is not on this machine.
Result<CurlApi> load_curl();

}  // namespace gpubroker
