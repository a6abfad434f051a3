// Memory that devices write to: pieces of large pages, which cost them less than many small ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

namespace imnet {

struct Slab {
  struct Free {
    void operator()(uint8_t* data) const { std::free(data); }
  };
  std::unique_ptr<uint8_t, Free> data;
  size_t size = 0, used = 0;  // bytes; `used` from the start on
  size_t pieces = 0;          // that are not given back
};

// A piece of a slab; none if `data` is null.
struct Piece {
  Slab* slab = nullptr;
  uint8_t* data = nullptr;
  size_t size = 0;
};

// Cuts pieces off one slab after another. They are given back in about the order in which they were
// taken, so a slab is soon whole again. Not for several threads at once.
class Slabs {
 public:
  // Returns memory for `nbytes`, a multiple of 4096, at a multiple of it; throws std::bad_alloc.
  Piece take(size_t nbytes);
  void give_back(const Piece& piece);

 private:
  std::vector<std::unique_ptr<Slab>> slabs_;  // the last one is being cut
};

}  // namespace imnet
