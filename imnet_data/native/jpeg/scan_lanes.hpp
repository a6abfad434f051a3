// Restart intervals decoded two at a time: the processor works on one of them while it waits for an
// entry of the other. Included after scan_loop.hpp, with the same names and IMNET_SCAN_LANES_NAME
// defined.

namespace imnet {
namespace {

struct ScanQueue {
  const ScanPlan& plan;
  ScanJob* next;
  ScanJob* end;
};

// An interval that is being decoded. All is inline: measured, with the end of a block in a function
// of its own, a box takes 10 % longer, and 7 % with the transforms of 16 blocks in a row.
struct ScanLane {
  BitReader reader;
  const uint8_t* place = nullptr;  // of the next coefficient, in kZigzagPlaces
  const uint64_t* entries = nullptr;
  int16_t* block = nullptr;
  int16_t* other = nullptr;       // the coefficients that `pending` has, or none
  const ScanBlock* at = nullptr;  // the block that is being read; null: no job is left
  ScanJob* job = nullptr;
  int column = 0;
  PendingBlock pending{};
};

IMNET_SCAN_INLINE void next_job(ScanLane& lane, ScanQueue& queue) {
  lane.at = nullptr;
  if (queue.next == queue.end) return;
  lane.job = queue.next++;
  lane.at = queue.plan.blocks;
  lane.column = lane.job->run.column;
  lane.reader = lane.job->stream.reader;
}

// False where the data ends too early.
IMNET_SCAN_INLINE bool next_block(ScanLane& lane, ScanQueue& queue) {
  if (++lane.at < queue.plan.blocks + queue.plan.block_count) return true;
  lane.at = queue.plan.blocks;
  ScanJob& job = *lane.job;
  if (lane.reader.next > job.stream.end + 16) return false;
  if (++lane.column < job.run.column + job.run.count) return true;
  job.stream.reader = lane.reader;
  next_job(lane, queue);
  return true;
}

// False where the data is damaged; so are the functions below.
IMNET_SCAN_INLINE bool start_block(ScanLane& lane) {
  if (lane.at == nullptr) return true;
  const ScanBlock& block = *lane.at;
  int& prediction = lane.job->stream.predictions[block.component];
  if (!decode_dc(*block.dc, lane.reader, prediction)) return false;
  lane.block[0] = int16_t(prediction);
  lane.entries = block.ac->entries.data();
  lane.place = kZigzagPlaces.data() + 1;
  refill(lane.reader);
  return true;
}

// As in the scan of one interval, a block is transformed after the next one was read.
IMNET_SCAN_INLINE bool end_block(ScanLane& lane, ScanQueue& queue) {
  if (lane.pending.coefficients != nullptr) finish(lane.pending);
  lane.pending.coefficients = nullptr;
  if (lane.column >= queue.plan.first_column && lane.column < queue.plan.last_column) {
    const ScanBlock& block = *lane.at;
    lane.pending = {
        lane.block, block.quant,
        block.samples + lane.job->run.row * block.row_step + lane.column * block.column_step,
        block.stride};
    std::swap(lane.block, lane.other);
  } else {
    std::memset(lane.block, 0, 64 * sizeof(int16_t));
  }
  return next_block(lane, queue) && start_block(lane);
}

// After a lookup that came out behind the block; see read_ac.
IMNET_SCAN_INLINE bool leave_block(ScanLane& lane, uint64_t entry, ScanQueue& queue) {
  const uint8_t* const places = kZigzagPlaces.data();
  const auto position = unsigned(lane.place - places);
  if (position == 64 || position - kEndOfBlock < 64) return end_block(lane, queue);
  lane.reader.count += entry;
  const SlowCoefficient found =
      slow_coefficient(lane.at->ac->codes, lane.reader,
                       position - unsigned(IMNET_BYTE(entry, 2)), lane.block);
  lane.reader = found.reader;
  lane.place = places + found.position;
  if (found.position - 1 < 63) return true;
  return found.position != 0 && end_block(lane, queue);
}

#define IMNET_LOOK_UP(lane)                                                      \
  {                                                                              \
    const uint64_t entry = lane.entries[lane.reader.bits >> (64 - kLookupBits)]; \
    if (!look_up<true>(entry, lane.reader, lane.place, lane.block)) {            \
      if (!leave_block(lane, entry, queue)) return false;                        \
      if (lane.at == nullptr) break;                                             \
    }                                                                            \
  }

// Continues until one of them has no job.
IMNET_SCAN_INLINE bool run_two(ScanLane& first, ScanLane& second, ScanQueue& queue) {
  ScanLane a = first, b = second;  // in registers
  for (;;) {
    refill(a.reader);
    refill(b.reader);
    IMNET_LOOK_UP(a)
    IMNET_LOOK_UP(b)
    IMNET_LOOK_UP(a)
    IMNET_LOOK_UP(b)
    IMNET_LOOK_UP(a)
    IMNET_LOOK_UP(b)
  }
  first = a;
  second = b;
  return true;
}

IMNET_SCAN_INLINE bool run_one(ScanLane& lane, ScanQueue& queue) {
  while (lane.at != nullptr) {
    refill(lane.reader);
    IMNET_LOOK_UP(lane)
    IMNET_LOOK_UP(lane)
    IMNET_LOOK_UP(lane)
  }
  return true;
}

IMNET_SCAN_INLINE bool run_lanes(ScanPlan& plan, ScanQueue& queue) {
  ScanLane lanes[2];
  for (int i = 0; i < 2; ++i) {
    lanes[i].block = plan.coefficients[2 * i];
    lanes[i].other = plan.coefficients[2 * i + 1];
    next_job(lanes[i], queue);
    if (!start_block(lanes[i])) return false;
  }
  if (lanes[1].at != nullptr && !run_two(lanes[0], lanes[1], queue)) return false;
  for (ScanLane& lane : lanes) {
    if (!run_one(lane, queue)) return false;
    if (lane.pending.coefficients != nullptr) finish(lane.pending);
  }
  return true;
}

}  // namespace

IMNET_SCAN_TARGET bool IMNET_SCAN_LANES_NAME(ScanPlan& plan, ScanJob* jobs, int count) {
  ScanQueue queue = {plan, jobs, jobs + count};
  if (run_lanes(plan, queue)) return true;
  std::memset(plan.coefficients, 0, sizeof plan.coefficients);
  return false;
}

}  // namespace imnet
