#include <algorithm>
#include <iostream>

#include "catalog/query.hpp"
#include "cmd/commands.hpp"
#include "cmd/table.hpp"
#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

std::string tflops(int gflops) {
  if (gflops == 0) { return "-"; }
  return std::to_string(gflops / 1000) + "." + std::to_string(gflops % 1000 / 100);
}

std::string or_dash(int number) {
  return number == 0 ? "-" : std::to_string(number);
}

std::string price(const std::optional<Rate>& rate) {
  return rate ? format_money({rate->micros_per_hour}) : "-";
}

/// What is sold of each model; empty while nothing was refreshed.
Result<std::vector<ModelSummary>> sold_models(Context& context) {
  const Result<CatalogDb*> catalog = context.catalog_to_read();
  if (catalog.ok()) { return summarize_models(*catalog.value()); }
  if (catalog.error().kind == ErrorKind::not_found) { return std::vector<ModelSummary>{}; }
  return catalog.error();
}

const ModelSummary* find_summary(const std::vector<ModelSummary>& sold, const GpuModel& model) {
  const auto found =
      std::find_if(sold.begin(), sold.end(), [&](const ModelSummary& one) { return one.model == &model; });
  return found == sold.end() ? nullptr : &*found;
}

/// The models that a name means, or all of a family; all of them for no name.
Result<std::vector<const GpuModel*>> choose_models(const std::string& name) {
  std::vector<const GpuModel*> chosen;
  if (name.empty()) {
    for (const GpuModel& model : gpu_models()) { chosen.push_back(&model); }
    return chosen;
  }
  if (const GpuResolution resolved = resolve_gpu(name); resolved.model() != nullptr) {
    chosen.push_back(resolved.model());
  }
  // A family's name finds all of its models; it may also be the bare name of one, which comes first.
  if (Result<GpuSpec> spec = parse_gpu_spec(name); spec.ok()) {
    Result<GpuSpec> resolved = resolve_gpu_spec(spec.value());
    if (!resolved.ok() && chosen.empty()) { return resolved.error(); }
    if (resolved.ok()) {
      for (const GpuModel* const model : models_of(resolved.value())) {
        if (std::find(chosen.begin(), chosen.end(), model) == chosen.end()) { chosen.push_back(model); }
      }
    }
  }
  if (!chosen.empty()) { return chosen; }
  return Error{.kind = ErrorKind::not_found,
               .message = describe_unresolved(name, resolve_gpu(name)),
               .hint = "`gpubroker gpus` lists all"};
}

Json model_object(const GpuModel& model, const ModelSummary* sold) {
  Json aliases = Json::array();
  for (const std::string& alias : split(model.aliases, '|')) {
    if (!alias.empty()) { aliases.push_back(alias); }
  }
  const auto number = [](int value) { return value == 0 ? Json() : Json(value); };
  return {{"name", model.name},
          {"family", model.family},
          {"form", model.form},
          {"vendor", model.vendor},
          {"architecture", model.architecture},
          {"memory_gib", model.memory_gib},
          {"memory_type", model.memory_type},
          {"bf16_dense_gflops", number(model.bf16_gflops)},
          {"fp8_dense_gflops", number(model.fp8_gflops)},
          {"memory_gb_s", number(model.memory_gb_s)},
          {"link_gb_s", number(model.link_gb_s)},
          {"link_domain", number(model.link_domain)},
          {"watts", number(model.watts)},
          {"basis", to_string(model.basis)},
          {"aliases", std::move(aliases)},
          {"notes", model.notes},
          {"offers", sold == nullptr ? 0 : sold->offers},
          {"clouds", sold == nullptr ? Json::array() : Json(sold->providers)},
          {"cheapest_on_demand_usd_per_gpu_hour",
           sold != nullptr && sold->cheapest_on_demand ? Json(price(sold->cheapest_on_demand)) : Json()},
          {"cheapest_spot_usd_per_gpu_hour",
           sold != nullptr && sold->cheapest_spot ? Json(price(sold->cheapest_spot)) : Json()}};
}

}  // namespace

Result<int> run_gpus(const GpusCli& options, Context& context) {
  TRY(const std::vector<const GpuModel*> models, choose_models(options.name));
  TRY(const std::vector<ModelSummary> sold, sold_models(context));
  if (options.json) {
    Json root = {{"schema", 1}, {"gpus", Json::array()}};
    for (const GpuModel* const model : models) {
      root["gpus"].push_back(model_object(*model, find_summary(sold, *model)));
    }
    std::cout << dump_json(root) << '\n';
    return 0;
  }
  std::vector<std::string> header = {"NAME",       "FAMILY",      "FORM",          "GIB",     "BF16 TFLOPS",
                                     "FP8 TFLOPS", "MEMORY GB/S", "LINK GB/S",     "DOMAIN",  "WATT",
                                     "FACTS",      "OFFERS",      "ON DEMAND $/H", "SPOT $/H"};
  if (options.wide) { header.insert(header.end(), {"CLOUDS", "ALSO CALLED", "NOTES"}); }
  Table table(header);
  for (const GpuModel* const model : models) {
    const ModelSummary* const summary = find_summary(sold, *model);
    std::vector<std::string> cells = {std::string(model->name),
                                      std::string(model->family),
                                      std::string(model->form),
                                      std::to_string(model->memory_gib),
                                      tflops(model->bf16_gflops),
                                      tflops(model->fp8_gflops),
                                      or_dash(model->memory_gb_s),
                                      or_dash(model->link_gb_s),
                                      or_dash(model->link_domain),
                                      or_dash(model->watts),
                                      std::string(to_string(model->basis)),
                                      summary == nullptr ? "-" : std::to_string(summary->offers),
                                      summary == nullptr ? "-" : price(summary->cheapest_on_demand),
                                      summary == nullptr ? "-" : price(summary->cheapest_spot)};
    if (options.wide) {
      std::string aliases(model->aliases);
      std::replace(aliases.begin(), aliases.end(), '|', ',');
      cells.insert(cells.end(), {summary == nullptr ? "-" : join(summary->providers, ","), std::move(aliases),
                                 std::string(model->notes)});
    }
    table.add(std::move(cells));
  }
  std::cout << (context.terminal.table ? table.aligned() : table.tabbed());
  return 0;
}

}  // namespace gpubroker
