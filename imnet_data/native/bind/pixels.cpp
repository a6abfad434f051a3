// What Python sees of resize, pixels and simd; arguments come checked by imnet_data.pipeline.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>
#include <tuple>

#include "bind/module.hpp"
#include "kernels.hpp"
#include "pixels/normalize.hpp"
#include "resize/resizer.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

using Pixels = nb::ndarray<const uint8_t, nb::ndim<3>, nb::device::cpu>;
using OutPixels = nb::ndarray<uint8_t, nb::ndim<3>, nb::device::cpu>;
using Images = nb::ndarray<const uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using OutBytes = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <typename Array>
void require_rows(const Array& array, const char* name) {
  const auto width = static_cast<int64_t>(array.shape(1)), channels =
      static_cast<int64_t>(array.shape(2));
  // an axis of length one may have any stride
  if ((channels != 1 && channels != 3) || (channels > 1 && array.stride(2) != 1) ||
      (width > 1 && array.stride(1) != channels) ||
      (array.shape(0) > 1 && array.stride(0) < width * channels))
    throw std::invalid_argument(std::string(name) +
                                " must have contiguous rows of 1 or 3 channels");
}

void resize(const Pixels& image, const OutPixels& out, std::tuple<int, int> size,
            std::tuple<float, float, float, float> box, std::tuple<int, int, int, int> window,
            bool bicubic, bool flip) {
  require_rows(image, "image");
  require_rows(out, "out");
  for (size_t side : {image.shape(0), image.shape(1)})
    if (side > static_cast<size_t>(Resizer::kMaxSource))
      throw std::invalid_argument("image has a side of " + std::to_string(side) +
                                  " pixels; at most " + std::to_string(Resizer::kMaxSource));
  const auto [left, upper, right, lower] = box;
  const auto [window_left, window_upper, window_right, window_lower] = window;
  const ResizeSpec spec = {static_cast<int>(image.shape(1)),
                           static_cast<int>(image.shape(0)),
                           left,
                           upper,
                           right,
                           lower,
                           std::get<0>(size),
                           std::get<1>(size),
                           {window_left, window_upper, window_right, window_lower},
                           bicubic ? Filter::bicubic : Filter::bilinear,
                           flip};
  const int channels = static_cast<int>(image.shape(2));
  if (out.shape(2) != image.shape(2) ||
      static_cast<int64_t>(out.shape(0)) != int64_t{window_lower} - window_upper ||
      static_cast<int64_t>(out.shape(1)) != int64_t{window_right} - window_left)
    throw std::invalid_argument("out does not have the window's shape");
  const uint8_t* source = image.data();
  uint8_t* const target = out.data();
  const ptrdiff_t stride = image.stride(0), out_stride = out.stride(0);
  const Unlocked unlocked;
  thread_local Resizer resizer;
  const Box part = resizer.plan(spec);
  source += part.upper * stride + static_cast<ptrdiff_t>(part.left) * channels;
  resizer.run(source, stride, channels, target, out_stride);
}

void new_normalization(Normalization* made, const PerChannel& mean, const PerChannel& std,
                       const std::string& dtype, bool planar) {
  constexpr const char* kNames[] = {"float32", "float16", "bfloat16"};  // as in NumberType
  const auto found = std::find(std::begin(kNames), std::end(kNames), dtype);
  if (found == std::end(kNames))
    throw std::invalid_argument("dtype is '" + dtype + "'; allowed are float32, float16, bfloat16");
  for (int i = 0; i < 3; ++i)
    if (!std::isfinite(mean[i]) || !std::isfinite(std[i]) || std[i] <= 0)
      throw std::invalid_argument("mean and std must be finite, and std above zero");
  new (made) Normalization(mean, std, NumberType(found - kNames), planar);
}

void normalize(const Normalization& normalization, const Images& images, const OutBytes& out) {
  if (images.shape(3) != 3 || out.size() != images.size() * number_nbytes(normalization.type))
    throw std::invalid_argument("images must be [n, h, w, 3], and out have a number for each sample");
  const size_t count = images.shape(0), pixels = images.shape(1) * images.shape(2);
  const uint8_t* image = images.data();
  uint8_t* made = out.data();
  const Unlocked unlocked;
  for (size_t i = 0; i < count; ++i, image += 3 * pixels,
              made += 3 * pixels * number_nbytes(normalization.type))
    kernels().normalize(normalization, image, pixels, made);
}

std::vector<std::string> simd_variants() {
  std::vector<std::string> names;
  for (const Kernels* table : runnable_kernels()) names.emplace_back(table->name);
  return names;
}

}  // namespace

void bind_pixels(nb::module_& m) {
  m.def("resize", &resize, "image"_a, "out"_a, "size"_a, "box"_a, "window"_a, "bicubic"_a,
        "flip"_a);
  nb::class_<Normalization>(m, "Normalization")
      .def("__init__", &new_normalization, "mean"_a, "std"_a, "dtype"_a, "planar"_a)
      .def_ro("by_products", &Normalization::by_products)
      .def("normalize", &normalize, "images"_a, "out"_a);
  m.def("simd", [] { return kernels().name; });
  m.def("simd_variants", &simd_variants);
  m.def("set_simd", &set_simd, "name"_a);
}

}  // namespace imnet
