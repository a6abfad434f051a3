#include "loader/record.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <stdexcept>

#include "kernels.hpp"

namespace imnet {
namespace {

// Of a packed JPEG, the header and the table of offsets are seldom more than this.
constexpr int64_t kHeadNbytes = 4096;

std::string size_text(int width, int height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

void require(bool claim, const char* text) {
  if (!claim) throw std::invalid_argument(text);
}

Outcome outcome(const JpegStatus& status) {
  switch (status.code) {
    case JpegCode::ok:
      return {};
    case JpegCode::unsupported:
      return {RecordCode::unsupported, status.text};
    default:
      return {RecordCode::damaged, message(status)};
  }
}

}  // namespace

Outcome RecordWorker::make(const RecordSource& source, const RecordGeometry* geometry,
                           const std::vector<Slots>& views, size_t record, Filter filter,
                           const Normalization* normalization) noexcept {
  Outcome result;
  normalization_ = normalization;
  try {
    views_.resize(views.size());
    for (size_t v = 0; v < views.size(); ++v) {
      views_[v].geometry = geometry[v];
      views_[v].slot = views[v].of(record);
      views_[v].side = views[v].side;
      plan(views_[v], filter);
    }
    result = geometry[0].pixels ? make_from_pixels(source) : make_from_jpeg(source);
    free_excess();
  } catch (const std::exception& error) {
    result = {RecordCode::failed, error.what()};
  }
  bytes_.close();
  return result;
}

// Reads what the header is in, and of a packed JPEG no more.
Outcome RecordWorker::open_jpeg(const RecordSource& source) {
  const int64_t nbytes = source.nbytes, head = std::min(nbytes, kHeadNbytes);
  Outcome result = bytes_.open(source, 0, nbytes);
  if (result.code == RecordCode::ok) result = bytes_.read(0, head);
  if (result.code != RecordCode::ok) return result;
  const auto before_blocks =
      int64_t(packed_head_nbytes(bytes_.data(), static_cast<size_t>(nbytes)));
  result = bytes_.read(head, before_blocks > 0 ? before_blocks : nbytes);
  if (result.code != RecordCode::ok) return result;
  return outcome(decoder_.open(bytes_.data(), static_cast<size_t>(nbytes)));
}

Outcome RecordWorker::make_from_jpeg(const RecordSource& source) {
  Outcome result = open_jpeg(source);
  if (result.code != RecordCode::ok) return result;
  const RecordGeometry& geometry = views_.front().geometry;
  const int width = decoder_.header().width, height = decoder_.header().height;
  if (width != geometry.width || height != geometry.height)
    return {RecordCode::damaged, "the image is " + size_text(width, height) +
                                     " pixels, but the index says " +
                                     size_text(geometry.width, geometry.height)};

  const Box part = needed();
  const ptrdiff_t stride = ptrdiff_t{part.width()} * 3;
  const size_t nbytes = static_cast<size_t>(stride) * part.height();
  if (pixels_.size() < nbytes) pixels_.resize(nbytes);
  const ByteRange range = decoder_.needed(part);
  result = bytes_.read(int64_t(range.begin), int64_t(range.end));
  if (result.code != RecordCode::ok) return result;
  const JpegStatus status = decoder_.decode(part, pixels_.data(), stride);
  if (!status) return outcome(status);
  resize(pixels_.data(), stride, part);
  return {};
}

Outcome RecordWorker::make_from_pixels(const RecordSource& source) {
  const RecordGeometry& geometry = views_.front().geometry;
  const int64_t row_nbytes = int64_t{geometry.width} * 3;
  if (source.nbytes != row_nbytes * geometry.height)
    return {RecordCode::damaged, "the image has " + std::to_string(source.nbytes) +
                                     " bytes, but the index says " +
                                     size_text(geometry.width, geometry.height) + " pixels"};
  Box part = needed();
  const int64_t first = row_nbytes * part.upper, last = row_nbytes * part.lower;
  Outcome result = bytes_.open(source, first, last);
  if (result.code == RecordCode::ok) result = bytes_.read(first, last);
  if (result.code != RecordCode::ok) return result;
  part.left = 0;  // whole rows were read
  resize(bytes_.data(), row_nbytes, part);
  return {};
}

// Finds out which part of the image a view needs.
void RecordWorker::plan(View& view, Filter filter) {
  const RecordGeometry& geometry = view.geometry;
  const Box &crop = geometry.crop, &window = geometry.window;
  require(box_within(crop, geometry.width, geometry.height),
          "the crop is empty or not within the image");
  const int width = crop.width(), height = crop.height();
  const ResizeSpec spec = {width,
                           height,
                           0.0f,
                           0.0f,
                           static_cast<float>(width),
                           static_cast<float>(height),
                           geometry.resized_width,
                           geometry.resized_height,
                           window,
                           filter,
                           geometry.flip != 0};
  const Box part = view.resizer.plan(spec);
  require(0 <= geometry.place_x && geometry.place_x <= view.side - window.width() &&
              0 <= geometry.place_y && geometry.place_y <= view.side - window.height(),
          "the window does not fit into the batch");
  view.part = {crop.left + part.left, crop.upper + part.upper, crop.left + part.right,
               crop.upper + part.lower};
}

// Returns the smallest box that has the parts of all views.
Box RecordWorker::needed() const {
  Box all = views_.front().part;
  for (const View& view : views_) {
    all.left = std::min(all.left, view.part.left);
    all.upper = std::min(all.upper, view.part.upper);
    all.right = std::max(all.right, view.part.right);
    all.lower = std::max(all.lower, view.part.lower);
  }
  return all;
}

// Makes all views; `pixels` is the upper left corner of `part` of the image.
void RecordWorker::resize(const uint8_t* pixels, ptrdiff_t stride, const Box& part) {
  for (View& view : views_) {
    const uint8_t* from = pixels + (view.part.upper - part.upper) * stride +
                          ptrdiff_t{view.part.left - part.left} * 3;
    if (normalization_ == nullptr) {
      resize_into(view.slot, view, from, stride);
      continue;
    }
    const size_t count = static_cast<size_t>(view.side) * view.side;
    if (resized_.size() < 3 * count) resized_.resize(3 * count);
    resize_into(resized_.data(), view, from, stride);
    kernels().normalize(*normalization_, resized_.data(), count, view.slot);
  }
}

void RecordWorker::resize_into(uint8_t* slot, View& view, const uint8_t* pixels,
                               ptrdiff_t stride) {
  const Box& window = view.geometry.window;
  const ptrdiff_t slot_stride = static_cast<ptrdiff_t>(view.side) * 3;
  if (window.width() < view.side || window.height() < view.side)
    std::memset(slot, 0, static_cast<size_t>(slot_stride) * view.side);
  view.resizer.run(pixels, stride, 3,
                   slot + view.geometry.place_y * slot_stride + view.geometry.place_x * 3,
                   slot_stride);
}

void RecordWorker::free_excess() {
  for (std::vector<uint8_t>* buffer : {&pixels_, &resized_})
    if (buffer->size() > kKeptNbytes) std::vector<uint8_t>().swap(*buffer);
}

}  // namespace imnet
