// A scan without restart intervals, of which the box needs a part.
#include <algorithm>

#include "jpeg/dc_difference.hpp"
#include "jpeg/workspace.hpp"

namespace imnet {

// What comes before the box, and beside it, is stepped over from three places at once, which finds
// where the blocks of the box begin; these are decoded several rows at a time, as restart intervals
// are. False where the box has most of the blocks, or the data is damaged: then it is decoded from
// its start, which also finds the place.
bool JpegDecoder::Workspace::decode_runs(const uint8_t* begin, const uint8_t* end) {
  const int64_t needed = int64_t(columns) * (wanted.lower - 1) + wanted.right;
  const int64_t in_box = int64_t(wanted.right - wanted.left) * (wanted.lower - wanted.upper);
  if (4 * (needed - in_box) < in_box || !walk.plan(*header)) return false;
  const auto nbytes = size_t(end - begin);
  const auto likely = size_t(double(nbytes) * double(needed) / (double(columns) * rows));
  if (!walk.find_blocks(begin, nbytes, needed, likely)) return false;
  RunStart from = {0, walk.starts(), {}};
  jobs.clear();
  for (int row = wanted.upper; row < wanted.lower; ++row) {
    pass_blocks(begin, int64_t(columns) * row + wanted.left, from);
    ScanJob& job = jobs.emplace_back();
    job.stream.start(begin, *from.bit, end);
    std::copy_n(from.predictions, kMaxComponents, job.stream.predictions);
    job.run = {row, wanted.left, wanted.right - wanted.left, true};
    if (jobs.size() < kIntervalsTogether && row + 1 < wanted.lower) continue;
    if (!use->scan_lanes(plan, jobs.data(), int(jobs.size()))) return false;
    jobs.clear();
    if (streaming) write_rows(row + 1);
  }
  return true;
}

// Adds up the DC differences of the blocks before `mcu`.
void JpegDecoder::Workspace::pass_blocks(const uint8_t* begin, int64_t mcu, RunStart& from) const {
  for (; from.mcu < mcu; ++from.mcu)
    for (int i = 0; i < plan.block_count; ++i) {
      const ScanBlock& block = plan.blocks[i];
      int& prediction = from.predictions[block.component];
      const int difference = read_difference(*block.dc, begin, *from.bit++).value;
      prediction = int(unsigned(prediction) + unsigned(difference));
    }
}

}  // namespace imnet
