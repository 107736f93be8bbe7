#pragma once
// Where things are at Compute Engine: links, and lists that come scope by scope. Include only in .cpp files
// of codecs.
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/wire/answer_json.hpp"

namespace gpubroker::gcp {

inline constexpr const char* kQuotaHint =
    "`gpubroker check gcp` shows the quotas; they are raised at "
    "https://console.cloud.google.com/iam-admin/quotas";

/// The last part of a link: "https://…/regions/us-central1" and "zones/us-central1-a".
std::string name_in(const std::string& link);
/// "https://…/projects/p/zones/z/instances/n" is "zones/z/instances/n".
std::string path_in_project(const std::string& link);
/// What follows a part: "z" after "zones" in "zones/z/instances/n"; empty when it is not there.
std::string part_after(const std::string& path, const std::string& part);

/// A time that may be missing. Inside read_answer: what is no time leaves it.
std::optional<Instant> read_time(const AnswerValue& from, std::string_view name);

/// The items of a list ({"items":[…]}) or of an aggregated list ({"items":{"zones/Z":{NAME:[…]}}}).
void for_each_item(const AnswerValue& root, std::string_view name,
                   const std::function<void(const AnswerValue& item)>& read);
/// A zone that did not answer makes an aggregated list incomplete: `network`.
std::optional<Error> find_silent_zone(const AnswerValue& root);

}  // namespace gpubroker::gcp
