#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/digest.hpp"
#include "core/wire/url.hpp"
#include "providers/azure/codec.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::string_view kSource = "azure";
constexpr std::string_view kMoreQuota =
    "`az vm list-usage` shows the quotas; the portal's page Quotas raises them";

struct CodeRow {
  std::string_view code;
  ErrorKind kind;
  ErrorScope scope;
  std::string_view hint;
};
/// Source: shared API notes, section 4.2 (error texts of karpenter-provider-azure and dstack).
constexpr std::array kCodes = {
    CodeRow{"AuthorizationFailed", ErrorKind::auth, ErrorScope::account,
            "the role Reader on the subscription is enough for sizes and quotas"},
    CodeRow{"LinkedAuthorizationFailed", ErrorKind::auth, ErrorScope::account, ""},
    CodeRow{"InvalidAuthenticationToken", ErrorKind::auth, ErrorScope::account, "az login"},
    CodeRow{"InvalidAuthenticationTokenTenant", ErrorKind::auth, ErrorScope::account,
            "log in to the tenant of the subscription"},
    CodeRow{"ExpiredAuthenticationToken", ErrorKind::auth, ErrorScope::account, "az login"},
    CodeRow{"SubscriptionNotFound", ErrorKind::not_found, ErrorScope::account,
            "set $AZURE_SUBSCRIPTION_ID to one that this login may see"},
    CodeRow{"InvalidSubscriptionId", ErrorKind::invalid, ErrorScope::account,
            "$AZURE_SUBSCRIPTION_ID is a GUID"},
    CodeRow{"ReadOnlyDisabledSubscription", ErrorKind::auth, ErrorScope::account,
            "the subscription is disabled: pay, or take another one"},
    CodeRow{"SubscriptionNotRegistered", ErrorKind::invalid, ErrorScope::account,
            "az provider register --namespace Microsoft.Compute"},
    CodeRow{"MissingSubscriptionRegistration", ErrorKind::invalid, ErrorScope::account,
            "az provider register --namespace Microsoft.Compute"},
    CodeRow{"NoRegisteredProviderFound", ErrorKind::not_found, ErrorScope::region, ""},
    CodeRow{"LocationNotAvailableForResourceType", ErrorKind::not_found, ErrorScope::region, ""},
    CodeRow{"TooManyRequests", ErrorKind::throttled, ErrorScope::account, ""},
    CodeRow{"SubscriptionRequestsThrottled", ErrorKind::throttled, ErrorScope::account, ""},
    // Of bookings:
    CodeRow{"SkuNotAvailable", ErrorKind::capacity, ErrorScope::region, ""},
    CodeRow{"AllocationFailed", ErrorKind::capacity, ErrorScope::region, ""},
    CodeRow{"ZonalAllocationFailed", ErrorKind::capacity, ErrorScope::zone, ""},
    CodeRow{"OverconstrainedAllocationRequest", ErrorKind::capacity, ErrorScope::region, ""},
    CodeRow{"OverconstrainedZonalAllocationRequest", ErrorKind::capacity, ErrorScope::zone, ""},
    CodeRow{"QuotaExceeded", ErrorKind::quota, ErrorScope::region, kMoreQuota},
    CodeRow{"RequestDisallowedByPolicy", ErrorKind::auth, ErrorScope::account,
            "a policy of the subscription forbids it: ask its owner"},
    CodeRow{"ResourceGroupBeingDeleted", ErrorKind::conflict, ErrorScope::request, ""},
    CodeRow{"ReferencedResourceNotProvisioned", ErrorKind::conflict, ErrorScope::request, ""},
    CodeRow{"AnotherOperationInProgress", ErrorKind::conflict, ErrorScope::request, ""},
    CodeRow{"RetryableError", ErrorKind::conflict, ErrorScope::request, ""},
    CodeRow{"RetryableErrorDueToAnotherOperation", ErrorKind::conflict, ErrorScope::request, ""},
};

std::string subscription_base(std::string_view subscription) {
  std::string url = "https://";
  url += kArm;
  url += "/subscriptions/";
  return url + url_encode(subscription);
}

Result<std::string> next_link(const AnswerValue& root) {
  const std::string next = root.text_or("nextLink");
  return next.empty() ? Result<std::string>(next) : parse_link(next, kArm);
}

Subscription read_subscription(const AnswerValue& row) {
  return {.id = row.at("subscriptionId").text(),
          .name = row.text_or("displayName"),
          .state = row.text_or("state"),
          .tenant = row.text_or("tenantId")};
}

std::vector<std::string> texts(const AnswerValue& row, std::string_view name) {
  std::vector<std::string> all;
  const std::optional<AnswerValue> list = row.find(name);
  if (!list) { return all; }
  for (const AnswerValue& one : list->list()) { all.push_back(one.text()); }
  return all;
}

/// "*" stands for any characters. Both in lower case.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  std::size_t at = 0;
  std::size_t in = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (in < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      resume = in;
    } else if (at < pattern.size() && pattern[at] == text[in]) {
      ++at;
      ++in;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view action) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches_pattern(lower(pattern), action); });
}

const CodeRow* find_code(std::string_view code) {
  const auto* const found =
      std::find_if(kCodes.begin(), kCodes.end(), [&](const CodeRow& row) { return row.code == code; });
  return found == kCodes.end() ? nullptr : found;
}

/// The text behind `after`, up to `until`.
std::string between(const std::string& text, std::string_view after, std::string_view until) {
  const std::size_t at = text.find(after);
  if (at == std::string::npos) { return {}; }
  const std::size_t begin = at + after.size();
  return text.substr(begin, text.find(until, begin) - begin);
}

/// "… exceeding approved LowPriorityCores quota. … Location: eastus, Current Limit: 96, Current Usage: 0,
/// Additional Required: 192, (Minimum) New Limit Required: 192. …" comes as OperationNotAllowed, which also
/// says other things.
void read_quota(const std::string& message, Error& error) {
  const std::string quota = between(message, "exceeding approved ", " quota");
  const auto number = [&](std::string_view name) { return between(message, std::string(name) + ": ", ","); };
  const std::string limit = number("Current Limit");
  if (quota.empty() && lower(message).find("quota") == std::string::npos) { return; }
  error.kind = ErrorKind::quota;
  error.scope = ErrorScope::region;
  error.hint = kMoreQuota;
  if (!quota.empty() && parse_int(limit)) {
    error.message = "the quota " + quota + " of " + number("Location") + " is " + limit + " vCPUs, " +
                    number("Current Usage") + " are used, and " + number("Additional Required") +
                    " more are needed";
  }
}

}  // namespace

Result<std::string> parse_link(std::string_view link, std::string_view host) {
  std::string clean;
  for (const char c : link) {
    const bool plain = c > ' ' && c < 127 && c != '"' && c != '\'' && c != '<' && c != '>';
    clean += plain ? std::string(1, c) : url_encode(std::string(1, c));
  }
  const Result<UrlParts> parts = split_url(clean);
  const std::string own(host);
  if (!parts.ok() || parts.value().scheme != "https" ||
      (parts.value().host != own && parts.value().host != own + ":443")) {
    return Error{.kind = ErrorKind::internal,
                 .message = "the link to the next page does not lead to " + own,
                 .source = std::string(kSource)};
  }
  std::string url = "https://" + own;
  url += parts.value().path;
  if (!parts.value().query.empty()) { url += "?" + parts.value().query; }
  return url;
}

HttpRequest encode_get(std::string_view url) {
  HttpRequest request;
  request.url = url;
  request.headers = {{"Accept", "application/json"}};
  return request;
}

Error parse_error(const HttpResponse& answer, std::string_view what, Instant now) {
  std::string code;
  std::string message;
  // A body that is not theirs (a proxy's page) leaves the status to speak for itself.
  static_cast<void>(visit_answer(answer.body, kSource, [&](const AnswerValue& root) {
    const AnswerValue error = root.find("error").value_or(root);
    code = error.text_or("code");
    message = error.text_or("message");
    const std::optional<AnswerValue> details = error.find("details");
    if (find_code(code) != nullptr || !details || !details->is_list()) { return; }
    for (const AnswerValue& detail : details->list()) {
      // A deployment's or a set's error says what it was inside only.
      if (find_code(detail.text_or("code")) == nullptr) { continue; }
      code = detail.text_or("code");
      message = detail.text_or("message", message);
    }
  }));
  Error error = error_from_answer(answer, "azure " + std::string(what), code, message, now);
  error.code = code;
  if (const CodeRow* const row = find_code(code)) {
    error.kind = row->kind;
    error.scope = row->scope;
    error.hint = row->hint;
  }
  if ((code == "OperationNotAllowed" || code == "QuotaExceeded") && answer.status != 429) {
    read_quota(message, error);
  }
  // Reader is not enough for this one.
  if (code == "AuthorizationFailed" && message.find("placementScores") != std::string::npos) {
    error.hint = "ask for the role Compute Recommendations Role on the subscription";
  } else if (code == "AuthorizationFailed" && (message.find("/write'") != std::string::npos ||
                                               message.find("/delete'") != std::string::npos)) {
    error.hint = "to launch, ask for the role Contributor on the subscription";
  }
  return error;
}

std::string claims_challenge(const HttpResponse& answer) {
  constexpr std::string_view kName = "claims=\"";
  if (answer.status != 401) { return {}; }
  const std::string header = find_header(answer.headers, "www-authenticate");
  const std::size_t at = header.find(kName);
  if (at == std::string::npos) { return {}; }
  const std::size_t begin = at + kName.size();
  std::string text = header.substr(begin, header.find('"', begin) - begin);
  while (text.size() % 4 != 0) { text += '='; }
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  const Result<std::string> claims = from_base64(text);
  return claims.ok() ? claims.value() : std::string();
}

std::string subscriptions_url() {
  std::string url = "https://";
  url += kArm;
  return url + "/subscriptions?api-version=2022-12-01";
}

std::string subscription_url(std::string_view subscription) {
  return subscription_base(subscription) + "?api-version=2022-12-01";
}

Result<Subscription> parse_subscription(std::string_view body) {
  return read_answer(body, kSource,
                     [](const AnswerValue& root) -> Result<Subscription> { return read_subscription(root); });
}

Result<Page<Subscription>> parse_subscriptions(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<Page<Subscription>> {
    Page<Subscription> page;
    for (const AnswerValue& row : root.at("value").list()) { page.rows.push_back(read_subscription(row)); }
    TRY(page.next, next_link(root));
    return page;
  });
}

std::string locations_url(std::string_view subscription) {
  return subscription_base(subscription) + "/locations?api-version=2022-12-01";
}

Result<std::vector<std::string>> parse_locations(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::vector<std::string>> {
    std::vector<std::string> regions;
    for (const AnswerValue& row : root.at("value").list()) {
      const std::optional<AnswerValue> more = row.find("metadata");
      const std::string name = lower(row.at("name").text());
      const bool is_physical = !more || more->text_or("regionType", "Physical") == "Physical";
      const bool is_canary = name.size() > 4 && name.substr(name.size() - 4) == "euap";
      if (is_physical && !is_canary) { regions.push_back(name); }
    }
    std::sort(regions.begin(), regions.end());
    return regions;
  });
}

std::string permissions_url(std::string_view subscription) {
  return subscription_base(subscription) +
         "/providers/Microsoft.Authorization/permissions?api-version=2022-04-01";
}

Result<Page<Grant>> parse_permissions(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<Page<Grant>> {
    Page<Grant> page;
    for (const AnswerValue& row : root.at("value").list()) {
      page.rows.push_back({.allowed = texts(row, "actions"), .denied = texts(row, "notActions")});
    }
    TRY(page.next, next_link(root));
    return page;
  });
}

bool allows(const std::vector<Grant>& grants, std::string_view action) {
  const std::string wanted = lower(action);
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) {
    return matches_any(grant.allowed, wanted) && !matches_any(grant.denied, wanted);
  });
}

}  // namespace gpubroker::azure
