#include "jpeg/walk.hpp"

#include <algorithm>

#include "kernels.hpp"

namespace imnet {

bool ScanWalk::plan(const JpegHeader& header) {
  const JpegScan& scan = header.scan;
  tables_.start_scan();
  block_count_ = 0;
  for (int i = 0; i < scan.count; ++i) {
    const JpegComponent& part = header.components[scan.component[i]];
    const SkipTable* table = tables_.get({header.dc[scan.dc[i]], header.ac[scan.ac[i]]});
    if (table == nullptr) return false;
    const int count = scan.count == 1 ? 1 : part.h * part.v;
    for (int k = 0; k < count; ++k) ring_[block_count_++].table = table;
  }
  link(ring_.data(), block_count_);
  return true;
}

bool ScanWalk::sound(const uint8_t* data, size_t nbytes, int64_t mcus) {
  const SkipFunction skip = kernels().skip;
  SkipLane lane;
  lane.state.block = ring_.data();
  lane.state.entries = ring_[0].table->first.data();
  lane.limit = 8 * uint64_t(nbytes);
  for (int64_t left = mcus * block_count_; left > 0;) {
    const int64_t wanted = std::min(left, kBlocksAtOnce);
    lane.state.end = ends_.data();
    lane.last = ends_.data() + wanted;
    skip(data, &lane, 1);
    // it may have continued for some blocks
    if (!lane.complete() || !lane.sound || lane.last[-1] > lane.limit) return false;
    left -= lane.state.end - ends_.data();
  }
  return true;
}

}  // namespace imnet
