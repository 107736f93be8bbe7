#include "catalog/schema.hpp"

namespace gpubroker {

// README.md says what each table is for and what holds between them.
const std::vector<Migration>& catalog_schema() {
  static const std::vector<Migration> kAll = {
      {"2026-11-24 offers, their history, what is kept back", R"(
CREATE TABLE source (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, tried_at_ms INTEGER NOT NULL, succeeded_at_ms INTEGER,
  error_kind TEXT, error_message TEXT NOT NULL, error_hint TEXT NOT NULL, error_code TEXT NOT NULL,
  offers INTEGER NOT NULL, quarantined INTEGER NOT NULL, signals INTEGER NOT NULL, vocabulary INTEGER NOT NULL) STRICT;
CREATE TABLE validator (
  source_id INTEGER NOT NULL REFERENCES source, name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (source_id, name)) STRICT, WITHOUT ROWID;
CREATE TABLE remark (
  source_id INTEGER NOT NULL REFERENCES source, what TEXT NOT NULL, detail TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (source_id, what)) STRICT, WITHOUT ROWID;
CREATE TABLE fetched (
  source_id INTEGER NOT NULL REFERENCES source, region TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (source_id, region)) STRICT, WITHOUT ROWID;
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE place (
  id INTEGER PRIMARY KEY, provider TEXT NOT NULL, region TEXT NOT NULL, zone TEXT NOT NULL,
  UNIQUE (provider, region, zone)) STRICT;
CREATE TABLE gpu_model (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE machine (
  id INTEGER PRIMARY KEY, instance_type_id INTEGER NOT NULL REFERENCES name, gpu_text_id INTEGER NOT NULL REFERENCES name,
  model_id INTEGER NOT NULL REFERENCES gpu_model, gpu_count INTEGER NOT NULL, vcpus INTEGER NOT NULL,
  memory_mib INTEGER NOT NULL, disk_gib INTEGER NOT NULL, arch_id INTEGER NOT NULL REFERENCES name,
  seller_id INTEGER NOT NULL REFERENCES name, fabric INTEGER NOT NULL, fabric_gbps INTEGER NOT NULL,
  nvlink_domain INTEGER NOT NULL, billing_unit_ms INTEGER NOT NULL, billing_minimum_ms INTEGER NOT NULL) STRICT;
CREATE TABLE series (
  id INTEGER PRIMARY KEY, place_id INTEGER NOT NULL REFERENCES place, instance_type_id INTEGER NOT NULL REFERENCES name,
  market INTEGER NOT NULL, model_id INTEGER NOT NULL REFERENCES gpu_model, gpu_count INTEGER NOT NULL,
  first_at_ms INTEGER NOT NULL, first_price_micros INTEGER NOT NULL CHECK (first_price_micros >= 0)) STRICT;
CREATE TABLE offer (
  id INTEGER PRIMARY KEY, series_id INTEGER NOT NULL REFERENCES series, machine_id INTEGER NOT NULL REFERENCES machine,
  place_id INTEGER NOT NULL REFERENCES place, market INTEGER NOT NULL, model_id INTEGER NOT NULL REFERENCES gpu_model,
  gpu_count INTEGER NOT NULL, price_micros INTEGER NOT NULL CHECK (price_micros >= 0), since_ms INTEGER NOT NULL,
  basis INTEGER NOT NULL, told_by_id INTEGER NOT NULL REFERENCES name, availability_kind INTEGER NOT NULL,
  availability_value INTEGER NOT NULL, availability_basis_id INTEGER NOT NULL REFERENCES name, variant TEXT NOT NULL,
  parts TEXT NOT NULL, window_from_ms INTEGER, window_until_ms INTEGER, learnt_at_ms INTEGER) STRICT;
CREATE INDEX offer_by_gpu ON offer (model_id, gpu_count, price_micros, market, place_id);
CREATE TABLE price_change (
  series_id INTEGER NOT NULL REFERENCES series, at_ms INTEGER NOT NULL, price_micros INTEGER CHECK (price_micros >= 0),
  PRIMARY KEY (series_id, at_ms)) STRICT, WITHOUT ROWID;
CREATE TABLE availability_change (
  series_id INTEGER NOT NULL REFERENCES series, at_ms INTEGER NOT NULL, kind INTEGER NOT NULL, value INTEGER NOT NULL,
  PRIMARY KEY (series_id, at_ms)) STRICT, WITHOUT ROWID;
CREATE TABLE signal (
  place_id INTEGER NOT NULL REFERENCES place, instance_type_id INTEGER NOT NULL REFERENCES name, market INTEGER NOT NULL,
  source_id INTEGER NOT NULL REFERENCES source, availability_kind INTEGER NOT NULL, availability_value INTEGER NOT NULL,
  availability_basis_id INTEGER NOT NULL REFERENCES name, reclaimed_percent_most INTEGER,
  PRIMARY KEY (place_id, instance_type_id, market, source_id)) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY, place_id INTEGER NOT NULL REFERENCES place, instance_type_id INTEGER NOT NULL REFERENCES name,
  market INTEGER NOT NULL, gpu_text_id INTEGER NOT NULL REFERENCES name, gpu_count INTEGER NOT NULL,
  gpu_memory_gib INTEGER NOT NULL, model_id INTEGER NOT NULL REFERENCES gpu_model, variant TEXT NOT NULL,
  price_micros INTEGER NOT NULL, basis INTEGER NOT NULL, told_by_id INTEGER NOT NULL REFERENCES name,
  rule TEXT NOT NULL, reason TEXT NOT NULL, since_ms INTEGER NOT NULL, told_at_ms INTEGER NOT NULL,
  good_price_micros INTEGER NOT NULL, good_at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE observation (
  id INTEGER PRIMARY KEY, place_id INTEGER NOT NULL REFERENCES place, instance_type_id INTEGER NOT NULL REFERENCES name,
  market INTEGER NOT NULL, kind INTEGER NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE INDEX observation_by_age ON observation (at_ms);
INSERT INTO gpu_model (id, name) VALUES (0, '');
INSERT INTO name (id, text) VALUES (0, '');
)"},
  };
  return kAll;
}

DatabaseKind catalog_kind() {
  return {.name = "catalog",
          .schema = &catalog_schema(),
          .made_by = "`gpubroker refresh` makes it",
          .updated_by = "`gpubroker refresh` brings it up to date",
          // A refresh that a power loss undoes is only asked again.
          .is_synced = false};
}

}  // namespace gpubroker
