// One record of a batch: read, decode what is needed of it, resize it into its slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "jpeg/decoder.hpp"
#include "resize/resizer.hpp"

namespace imnet {

// Where the image is: in memory, or in a file.
struct RecordSource {
  const uint8_t* data = nullptr;  // null: read it from the file
  int file = -1;                  // below 0: open `path` for as long as it is read
  const char* path = "";
  int64_t offset = 0;
  int64_t nbytes = 0;
  bool whole = false;  // there must be nothing else in the file
};

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

enum class RecordCode {
  ok,
  unsupported,  // a JPEG for another decoder
  damaged,      // a fault in the image's bytes
  unreadable,   // a fault in the file that holds it
  failed,       // no fault in the data: memory, or a geometry that makes no sense
};

struct Outcome {
  RecordCode code = RecordCode::ok;
  std::string text;
};

// One per thread: keeps its workspace between records.
class RecordWorker {
 public:
  // Writes all of the slot, side x side x 3 bytes, if the outcome is ok.
  Outcome make(const RecordSource& source, const RecordGeometry& geometry, Filter filter,
               uint8_t* slot, int side) noexcept;

 private:
  Outcome make_from_jpeg(const RecordSource& source, const RecordGeometry& geometry,
                         Filter filter, uint8_t* slot, int side);
  Outcome make_from_pixels(const RecordSource& source, const RecordGeometry& geometry,
                           Filter filter, uint8_t* slot, int side);
  Outcome read(const RecordSource& source, int64_t from, int64_t nbytes, const uint8_t*& bytes);
  Box plan(const RecordGeometry& geometry, Filter filter, int side);
  void resize(const uint8_t* pixels, ptrdiff_t stride, const RecordGeometry& geometry,
              uint8_t* slot, int side);
  void free_excess();

  JpegDecoder decoder_;
  Resizer resizer_;
  std::vector<uint8_t> file_, pixels_;
};

}  // namespace imnet
