#include "loader/slabs.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

namespace imnet {
namespace {

constexpr size_t kLargePage = 2 << 20;

std::unique_ptr<Slab> new_slab(size_t nbytes) {
  auto slab = std::make_unique<Slab>();
  slab->size = (nbytes + kLargePage - 1) / kLargePage * kLargePage;
  slab->data.reset(static_cast<uint8_t*>(std::aligned_alloc(kLargePage, slab->size)));
  if (slab->data == nullptr) throw std::bad_alloc();
  madvise(slab->data.get(), slab->size, MADV_HUGEPAGE);  // small pages do as well
  return slab;
}

}  // namespace

Piece Slabs::take(size_t nbytes) {
  const auto fits = [&](const Slab& slab) { return nbytes <= slab.size - slab.used; };
  if (slabs_.empty() || !fits(*slabs_.back())) {
    const auto is_whole = [&](const std::unique_ptr<Slab>& slab) {
      return slab->pieces == 0 && fits(*slab);
    };
    const auto found = std::find_if(slabs_.begin(), slabs_.end(), is_whole);
    if (found == slabs_.end())
      slabs_.push_back(new_slab(nbytes));
    else
      std::iter_swap(found, slabs_.end() - 1);
  }
  Slab& slab = *slabs_.back();
  const Piece piece = {&slab, slab.data.get() + slab.used, nbytes};
  slab.used += nbytes;
  ++slab.pieces;
  return piece;
}

void Slabs::give_back(const Piece& piece) {
  if (piece.slab == nullptr || --piece.slab->pieces > 0) return;
  piece.slab->used = 0;
  if (piece.slab->size == kLargePage) return;
  const auto same = [&](const std::unique_ptr<Slab>& slab) { return slab.get() == piece.slab; };
  slabs_.erase(std::remove_if(slabs_.begin(), slabs_.end(), same), slabs_.end());
}

}  // namespace imnet
