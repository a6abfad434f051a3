// What came of an attempt on a JPEG: nothing here allocates or throws.
#pragma once

#include <cstddef>

namespace imnet {

enum class JpegCode {
  ok,
  damaged,       // the bytes are not a JPEG, or end early, or contradict themselves
  unsupported,   // a JPEG that this decoder does not take: hand it to another one, by name
  too_large,     // more pixels than the caller allows
  not_seekable,  // sound, but rewriting it could not be undone exactly
  bad_box,       // the caller's box is empty, or reaches outside of the image
};

struct JpegStatus {
  JpegCode code = JpegCode::ok;
  const char* text = "";  // static storage
  size_t offset = 0;      // byte in the file; 0 where it is about all of it

  explicit operator bool() const { return code == JpegCode::ok; }
};

inline JpegStatus damaged(const char* text, size_t offset) {
  return {JpegCode::damaged, text, offset};
}

inline JpegStatus unsupported(const char* text, size_t offset) {
  return {JpegCode::unsupported, text, offset};
}

}  // namespace imnet
