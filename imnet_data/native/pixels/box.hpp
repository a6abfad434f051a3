// A rectangle of pixels.
#pragma once

#include <string>

namespace imnet {

struct Box {  // half open
  int left = 0, upper = 0, right = 0, lower = 0;
  int width() const { return right - left; }
  int height() const { return lower - upper; }
};

// Whether it is not empty, and lies within an image of this size.
inline bool box_within(const Box& box, int width, int height) {
  return 0 <= box.left && box.left < box.right && box.right <= width && 0 <= box.upper &&
         box.upper < box.lower && box.lower <= height;
}

inline std::string box_text(const Box& box) {
  return "(" + std::to_string(box.left) + ", " + std::to_string(box.upper) + ", " +
         std::to_string(box.right) + ", " + std::to_string(box.lower) + ")";
}

}  // namespace imnet
