#include "jpeg/status.hpp"

namespace imnet {

std::string place(const JpegStatus& status) {
  return status.offset == 0 ? "" : " at byte " + std::to_string(status.offset);
}

std::string message(const JpegStatus& status) {
  const std::string text = status.text;
  switch (status.code) {
    case JpegCode::damaged:
      return "the JPEG is damaged at byte " + std::to_string(status.offset) + ": " + text;
    case JpegCode::unsupported:
      return "a JPEG for another decoder: " + text + place(status);
    case JpegCode::not_seekable:
      return "left as it is: " + text;
    default:
      return text;
  }
}

}  // namespace imnet
