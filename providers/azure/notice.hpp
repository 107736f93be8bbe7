#pragma once
// What an Azure machine is told of its end: Scheduled Events of the metadata service. Source: shared API
// notes, section 5 (Microsoft's scheduled-events page), read 2026-11.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/ports/clock.hpp"
#include "core/ports/http.hpp"
#include "core/ports/notice_source.hpp"

namespace gpubroker::azure {

/// The machine's own name of /metadata/instance/compute.
Result<std::string> parse_own_name(std::string_view body);
/// The first moment from which `machine` is taken: evicted, deleted, moved to another host or started again;
/// all of them end what runs there. `now` when it is under way already. Events for other machines of the same
/// availability set are told here too, and are not ours.
Result<std::optional<Instant>> parse_events(std::string_view body, std::string_view machine, Instant now);

/// The first question switches the events on and may go unanswered for two minutes; each look is short all
/// the same. Borrows both.
std::unique_ptr<NoticeSource> make_notice_source(Http& http, Clock& clock);

}  // namespace gpubroker::azure
