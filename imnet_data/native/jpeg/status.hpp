// The outcome of work on a JPEG. Only the functions that return text allocate.
#pragma once

#include <cstddef>
#include <string>

namespace imnet {

enum class JpegCode {
  ok,
  damaged,       // the bytes are not a JPEG, or end early, or contradict themselves
  unsupported,   // a JPEG that this decoder does not read: pass it to another one, by name
  too_large,     // more pixels than the caller allows
  not_seekable,  // sound, but rewriting it could not be undone exactly
  not_packable,  // likewise, of the packed form
  bad_box,       // the caller's box is empty, or reaches outside of the image
};

struct JpegStatus {
  JpegCode code = JpegCode::ok;
  const char* text = "";  // static storage
  size_t offset = 0;      // byte in the file; 0 where it concerns the whole file

  explicit operator bool() const { return code == JpegCode::ok; }
};

inline JpegStatus damaged(const char* text, size_t offset) {
  return {JpegCode::damaged, text, offset};
}

inline JpegStatus unsupported(const char* text, size_t offset) {
  return {JpegCode::unsupported, text, offset};
}

inline JpegStatus not_seekable(const char* text) { return {JpegCode::not_seekable, text, 0}; }

inline JpegStatus not_packable(const char* text) { return {JpegCode::not_packable, text, 0}; }

inline JpegStatus bad_box() {
  return {JpegCode::bad_box, "box is empty or not within the image", 0};
}

// " at byte N", or nothing where it concerns the whole file.
std::string place(const JpegStatus& status);

// The text of an error.
std::string message(const JpegStatus& status);

}  // namespace imnet
