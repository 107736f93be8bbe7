#include "providers/aws/ec2_form.hpp"

#include "providers/aws/machines.hpp"

namespace gpubroker::aws {

QueryPairs ec2_call(const std::string& action) {
  return {{"Action", action}, {"Version", "2016-11-15"}};
}

void add_filter(QueryPairs& form, int number, const std::string& name, const std::string& value) {
  const std::string at = "Filter." + std::to_string(number);
  form.emplace_back(at + ".Name", name);
  form.emplace_back(at + ".Value.1", value);
}

void add_tags(QueryPairs& form, const std::vector<std::string>& kinds,
              const std::map<std::string, std::string>& tags) {
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const std::string at = "TagSpecification." + std::to_string(i + 1);
    form.emplace_back(at + ".ResourceType", kinds[i]);
    int number = 0;
    for (const auto& [name, value] : tags) {
      const std::string tag = at + ".Tag." + std::to_string(++number);
      form.emplace_back(tag + ".Key", std::string(kTagPrefix) + name);
      form.emplace_back(tag + ".Value", value);
    }
  }
}

}  // namespace gpubroker::aws
