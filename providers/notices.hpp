#pragma once
#include <memory>
#include <string>

#include "core/ports/clock.hpp"
#include "core/ports/http.hpp"
#include "core/ports/notice_source.hpp"

namespace gpubroker {

/// How a machine of this provider learns that it will be taken, on the machine itself; null where it is told
/// by a file, or not at all. Apart from the registry: agents know the notices and none of the clouds' other
/// code.
using NoticeMaker = std::unique_ptr<NoticeSource> (*)(Http& http, Clock& clock);
NoticeMaker find_notice_maker(const std::string& provider);

}  // namespace gpubroker
