#pragma once
// The files of cmd/templates, put into the program when it is built (embed_templates.cmake writes
// templates.cpp).
#include <string>
#include <string_view>
#include <vector>

namespace gpubroker {

struct TemplateFile {
  std::string_view kind;  // "ddp": the folder's name
  std::string_view path;  // below that folder
  std::string_view text;
};

const std::vector<TemplateFile>& template_files();

/// The kinds there are, sorted.
std::vector<std::string> template_names();

}  // namespace gpubroker
