// The parts of the Python module; each bind_*.cpp adds its own functions.
#pragma once

#include <nanobind/nanobind.h>

namespace imnet {

void bind_jpeg(nanobind::module_& m);
void bind_pixels(nanobind::module_& m);
void bind_loader(nanobind::module_& m);
void bind_sha256(nanobind::module_& m);

}  // namespace imnet
