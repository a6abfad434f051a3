// One record of a batch: read, decode once what its views need, resize each view into its slot, or
// resize it beside, and write its numbers into the slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "jpeg/decoder.hpp"
#include "loader/record_bytes.hpp"
#include "pixels/normalize.hpp"
#include "resize/resizer.hpp"

namespace imnet {

// What is done to the image; all in pixels, boxes half open.
struct RecordGeometry {
  int width, height;                // of the image, as the index has them
  Box crop;                         // is cut out of the image
  int resized_width, resized_height;  // the crop becomes this large
  Box window;                       // is cut out of that
  int place_x, place_y;             // the window's upper left corner in the slot; the rest is black
  int flip;                         // mirror the window, left to right
  int pixels;                       // 1: stored as height x width x 3 bytes, 0: as a JPEG
};
constexpr size_t kGeometryColumns = 16;
static_assert(sizeof(RecordGeometry) == kGeometryColumns * sizeof(int32_t));

// Where one view of all records of a batch goes: slots of side x side x 3 samples, one per record.
struct Slots {
  uint8_t* first = nullptr;
  int side = 0;
  size_t sample_nbytes = 1;
  size_t slot_nbytes() const { return static_cast<size_t>(side) * side * 3 * sample_nbytes; }
  uint8_t* of(size_t record) const { return first + record * slot_nbytes(); }
};

// One per thread: keeps its workspace between records.
class RecordWorker {
 public:
  // Writes all of the slots of record number `record` if the outcome is ok: bytes, or numbers where
  // there is a normalization. `geometry` has one row per view, all of one image.
  Outcome make(const RecordSource& source, const RecordGeometry* geometry,
               const std::vector<Slots>& views, size_t record, Filter filter,
               const Normalization* normalization) noexcept;

 private:
  // What is planned for one view.
  struct View {
    RecordGeometry geometry;
    uint8_t* slot;
    int side;
    Box part;  // of the image that is needed
    Resizer resizer;
  };

  Outcome make_from_jpeg(const RecordSource& source);
  Outcome make_from_pixels(const RecordSource& source);
  Outcome open_jpeg(const RecordSource& source);
  static void plan(View& view, Filter filter);
  Box needed() const;
  void resize(const uint8_t* pixels, ptrdiff_t stride, const Box& part);
  static void resize_into(uint8_t* slot, View& view, const uint8_t* pixels, ptrdiff_t stride);
  void free_excess();

  JpegDecoder decoder_;
  std::vector<View> views_;  // of the record that is being made
  const Normalization* normalization_ = nullptr;
  RecordBytes bytes_;
  std::vector<uint8_t> pixels_, resized_;
};

}  // namespace imnet
