#pragma once
#include <memory>

#include "core/ports/clock.hpp"
#include "core/ports/http.hpp"
#include "core/ports/notice_source.hpp"

namespace gpubroker::gcp {

/// What the metadata server says: that a spot machine is being taken (half a minute before), and that a
/// machine with GPUs will be stopped for maintenance (an hour before). Source: the Compute Engine
/// documentation, read 2026-11.
std::unique_ptr<NoticeSource> make_notice_source(Http& http, Clock& clock);

}  // namespace gpubroker::gcp
