// What Python sees of resize, pixels and simd; arguments come checked by imnet_data.pipeline.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

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
template <typename Number>
using Table = nb::ndarray<const Number, nb::shape<3, 256>, nb::c_contig, nb::device::cpu>;
template <typename Number>
using Numbers = nb::ndarray<Number, nb::ndim<4>, nb::c_contig, nb::device::cpu>;

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

template <typename Number>
void normalize(const Images& images, const Table<Number>& table, bool planar,
               const Numbers<Number>& out) {
  if (images.shape(3) != 3 || out.size() != images.size())
    throw std::invalid_argument("images must be [n, h, w, 3], and out as large");
  const size_t count = images.shape(0), pixels = images.shape(1) * images.shape(2);
  const Unlocked unlocked;
  look_up(images.data(), count, pixels, table.data(), planar, out.data());
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
  m.def("normalize_float32", &normalize<float>, "images"_a, "table"_a, "planar"_a, "out"_a);
  m.def("normalize_16bit", &normalize<uint16_t>, "images"_a, "table"_a, "planar"_a, "out"_a);
  m.def("simd", [] { return kernels().name; });
  m.def("simd_variants", &simd_variants);
  m.def("set_simd", &set_simd, "name"_a);
}

}  // namespace imnet
