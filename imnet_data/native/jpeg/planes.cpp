#include "jpeg/planes.hpp"

#include <algorithm>
#include <cstring>

#include "kernels.hpp"

namespace imnet {
namespace {

constexpr int kLeftMargin = 32;  // room for the sample before the first one
constexpr int kRightMargin = 2 * kRowPadding;

int divide_up(int value, int by) { return (value + by - 1) / by; }

}  // namespace

McuRegion::McuRegion(const JpegHeader& header, const Box& box) {
  const int width = header.mcu_width(), height = header.mcu_height();
  // fancy upsampling reads one sample further, which is at most one pixel further
  const int context_x = width > 8, context_y = height > 8;
  left = std::max(box.left - context_x, 0) / width;
  upper = std::max(box.upper - context_y, 0) / height;
  right = divide_up(std::min(box.right + context_x, header.width), width);
  lower = divide_up(std::min(box.lower + context_y, header.height), height);
}

void JpegPlanes::plan(const JpegHeader& header, const Box& box, const McuRegion& region) {
  box_ = box;
  region_ = region;
  mcu_height_ = header.mcu_height();
  component_count_ = header.component_count;
  rgb_ = header.rgb();
  needs_next_row_ = false;
  upsample_rows_ = kernels().upsample;
  color_rows_ = kernels().color;
  const bool single = component_count_ == 1;
  std::array<size_t, 3> nbytes{};
  size_t total = 0;
  for (int i = 0; i < component_count_; ++i) {
    const JpegComponent& part = header.components[i];
    const int h = single ? 1 : part.h, v = single ? 1 : part.v;
    const int max_h = single ? 1 : header.max_h, max_v = single ? 1 : header.max_v;
    Plane& plane = planes_[i];
    plane.left = 8 * h * region.left;
    plane.upper = 8 * v * region.upper;
    plane.width = divide_up(header.width * h, max_h);
    plane.height = divide_up(header.height * v, max_v);
    plane.stride = 8 * h * (region.right - region.left) + kLeftMargin + kRightMargin;
    nbytes[i] = size_t(plane.stride) * 8 * v * (region.lower - region.upper);
    total += nbytes[i];
    h_factor_[i] = max_h / h;
    v_factor_[i] = max_v / v;
    // libjpeg-turbo has no filter for components with one or two samples per row
    const bool filtered = plane.width > 2;
    Upsample& kind = upsample_[i];
    if (h_factor_[i] == 1 && v_factor_[i] == 1)
      kind = Upsample::none;
    else if (h_factor_[i] == 2 && v_factor_[i] == 1 && filtered)
      kind = Upsample::h2;
    else if (h_factor_[i] == 1 && v_factor_[i] == 2)
      kind = Upsample::v2;
    else if (h_factor_[i] == 2 && v_factor_[i] == 2 && filtered)
      kind = Upsample::h2v2;
    else
      kind = Upsample::repeat;
    needs_next_row_ |= kind == Upsample::v2 || kind == Upsample::h2v2;
  }
  const size_t row_nbytes = size_t(box.width()) + 8 + 3 * kRowPadding;
  nbytes_ = total;
  uint8_t* memory = memory_.reserve(total + row_nbytes * component_count_);
  for (int i = 0; i < component_count_; ++i) {
    planes_[i].samples = memory + kLeftMargin;
    memory += nbytes[i];
  }
  for (int i = 0; i < component_count_; ++i, memory += row_nbytes) rows_[i] = memory;
}

void JpegPlanes::fill(uint8_t value) {
  std::memset(planes_[0].samples - kLeftMargin, value, nbytes_);
}

int JpegPlanes::rows_ready(int mcu_row) const {
  if (mcu_row >= region_.lower) return box_.lower;
  return std::clamp(mcu_row * mcu_height_ - needs_next_row_, box_.upper, box_.lower);
}

const uint8_t* JpegPlanes::row_of(int component, int y) const {
  const Plane& plane = planes_[component];
  const int h = h_factor_[component], sample_y = y / v_factor_[component];
  const Upsample kind = upsample_[component];
  const int first = box_.left / h, count = (box_.right - 1) / h - first + 1;
  uint8_t* const here = plane.row(sample_y);
  if (kind == Upsample::none) return here - plane.left + box_.left;

  uint8_t* const out = rows_[component];
  const uint8_t* const result = out + box_.left - first * h;
  if (kind == Upsample::repeat) {
    if (h == 1) return here - plane.left + box_.left;
    repeat_row(here - plane.left + first, h, count, out);
    return result;
  }
  const bool lower = y % 2 != 0;
  const int far_y = std::clamp(sample_y + (lower ? 1 : -1), 0, plane.height - 1);
  uint8_t* const far = kind == Upsample::h2 ? here : plane.row(far_y);
  if (kind == Upsample::v2) {
    upsample_rows_->v2(here - plane.left + first, far - plane.left + first, lower ? 2 : 1, count,
                       out);
    return result;
  }
  for (uint8_t* row : {here, far}) {
    if (plane.left == 0) row[-1] = row[0];
    if (first + count == plane.width)
      row[plane.width - plane.left] = row[plane.width - plane.left - 1];
  }
  if (kind == Upsample::h2)
    upsample_rows_->h2(here - plane.left + first, count, out);
  else
    upsample_rows_->h2v2(here - plane.left + first, far - plane.left + first, count, out);
  return result;
}

void JpegPlanes::write(int first, int last, uint8_t* out, ptrdiff_t out_stride) const {
  const int width = box_.width();
  const auto convert = rgb_ || component_count_ == 1 ? color_rows_->rgb : color_rows_->ycc;
  for (int y = first; y < last; ++y, out += out_stride) {
    const uint8_t* rows[3] = {};
    for (int i = 0; i < component_count_; ++i) rows[i] = row_of(i, y);
    if (component_count_ == 1) rows[1] = rows[2] = rows[0];
    convert(rows[0], rows[1], rows[2], width, out);
  }
}

}  // namespace imnet
