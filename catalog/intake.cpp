#include "catalog/intake.hpp"

namespace gpubroker {

Result<Intake> Intake::load(CatalogDb& db) {
  TRY(Interner names, Interner::load(db, "name", "text"));
  TRY(Interner models, Interner::load(db, "gpu_model", "name"));
  TRY(Places places, Places::load(db));
  return Intake(std::move(names), std::move(models), std::move(places));
}

Result<std::int64_t> Intake::name_like(Last& last, const std::string& text) {
  if (text == last.text) { return last.id; }
  TRY(last.id, names_.id(text));
  last.text = text;
  return last.id;
}

Result<std::int64_t> Intake::model_id(const GpuModel* model) {
  if (model == nullptr) { return std::int64_t{0}; }
  const auto known = model_ids_.find(model);
  if (known != model_ids_.end()) { return known->second; }
  TRY(const std::int64_t id, models_.id(model->name));
  model_ids_.emplace(model, id);
  return id;
}

const GpuResolution& Intake::resolve(const Listing& listing, std::int64_t gpu_text) {
  const Accelerator& told = listing.offer.gpu;
  if (last_resolution_ != nullptr && last_gpu_.text == gpu_text && last_gpu_.memory_gib == told.memory_gib &&
      last_gpu_.form == told.form) {
    return *last_resolution_;
  }
  last_gpu_ = {.text = gpu_text, .memory_gib = told.memory_gib, .form = told.form};
  auto known = resolved_.find(last_gpu_);
  if (known == resolved_.end()) {
    known = resolved_.emplace(last_gpu_, resolve_gpu(listing.gpu_text, told.memory_gib, told.form)).first;
  }
  last_resolution_ = &known->second;
  return *last_resolution_;
}

Result<Incoming> Intake::take(const Listing& listing) {
  const Offer& offer = listing.offer;
  Incoming row{.listing = &listing};
  TRY(const Place place, places_.find(offer.key.provider, offer.key.region, offer.key.zone));
  TRY(row.key.type, name_like(type_, offer.key.instance_type));
  TRY(row.gpu_text, name_like(gpu_text_, listing.gpu_text));
  TRY(const std::int64_t arch, name_like(arch_, listing.arch));
  TRY(const std::int64_t seller, name_like(seller_, listing.seller));
  TRY(row.told_by, name_like(told_by_, offer.source));
  TRY(row.availability_basis, name_like(basis_, listing.availability.basis));
  row.gpu = &resolve(listing, row.gpu_text);
  const GpuModel* const model = row.gpu->model();
  TRY(row.key.model, model_id(model));
  row.key.place = place.id;
  row.key.market = static_cast<std::int64_t>(offer.key.market);
  row.key.count = offer.gpu.count;
  row.region = place.region;
  const int domain = listing.nvlink_domain != 0 || model == nullptr ? listing.nvlink_domain
                                                                    : link_domain_of(*model, offer.gpu.count);
  row.machine = {row.key.type,
                 row.gpu_text,
                 row.key.model,
                 row.key.count,
                 offer.vcpus,
                 offer.memory_mib,
                 listing.disk_gib,
                 arch,
                 seller,
                 static_cast<std::int64_t>(listing.fabric),
                 listing.fabric_gbps,
                 domain,
                 offer.billing.unit.count(),
                 offer.billing.minimum.count()};
  return row;
}

}  // namespace gpubroker
