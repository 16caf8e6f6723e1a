// Models, status and loads as JSON lines or tables.
#pragma once

#include <string>

#include "schemas/report.capnp.h"

namespace fastptm::cli {

std::string text_of(capnp::Text::Reader text);
std::string texts(capnp::List<capnp::Text>::Reader from);  // a JSON list
std::string joined(capnp::List<capnp::Text>::Reader from); // "a, b"; "-" when empty

std::string to_json(schema::ModelStatus::Reader model);
std::string to_json(schema::ClusterStatus::Reader status);
std::string to_json(schema::LoadReport::Reader report);

void print_table(capnp::List<schema::ModelStatus>::Reader models);
void print_table(schema::ClusterStatus::Reader status);
void print_table(capnp::List<schema::LoadReport>::Reader reports);

} // namespace fastptm::cli
