#pragma once
#include <memory>

#include "core/ports/clock.hpp"
#include "core/ports/http.hpp"
#include "core/ports/notice_source.hpp"

namespace gpubroker::aws {

/// What a spot machine is told two minutes before it is taken, by its metadata service (IMDSv2). Source:
/// "Spot Instance interruption notices", read 2026-11; the notice is best effort and may be missing.
std::unique_ptr<NoticeSource> make_notice_source(Http& http, Clock& clock);

/// {"action":"terminate","time":"2026-01-15T12:38:00Z"}
Result<std::optional<Instant>> parse_instance_action(std::string_view body);

}  // namespace gpubroker::aws
