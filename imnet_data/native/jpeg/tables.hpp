// Huffman tables as they were built for earlier images: many share the same ones.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "jpeg/huffman.hpp"

namespace imnet {

inline bool same(const HuffmanSpec& a, const HuffmanSpec& b) {
  return a.symbol_count == b.symbol_count && a.counts == b.counts &&
         std::memcmp(a.symbols.data(), b.symbols.data(), a.symbol_count) == 0;
}

// `Spec`: what a table is built from; there must be same(Spec, Spec).
template <typename Table, typename Spec = HuffmanSpec>
class TableCache {
 public:
  // Tables got before this may be replaced from now on.
  void start_scan() { ++scan_; }

  // nullptr where the counts and symbols are not a table of this kind.
  const Table* get(const Spec& spec) {
    for (Slot& slot : slots_)
      if (slot.sound && same(slot.spec, spec)) {
        slot.scan = scan_;
        return slot.table.get();
      }
    Slot& slot = *std::min_element(  // the one that was not used for the longest time
        slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) { return a.scan < b.scan; });
    if (!slot.table) slot.table = std::make_unique<Table>();
    slot.sound = slot.table->build(spec);
    slot.scan = scan_;
    if (!slot.sound) return nullptr;
    slot.spec = spec;
    return slot.table.get();
  }

 private:
  static constexpr size_t kSlots = 8;  // more than the 4 that a scan can name

  struct Slot {
    Spec spec;
    std::unique_ptr<Table> table;
    uint64_t scan = 0;
    bool sound = false;
  };

  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
  uint64_t scan_ = 0;
};

}  // namespace imnet
