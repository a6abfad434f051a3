#include "loader/read_ahead.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace imnet {
namespace {

// Linux takes no more of one call than the device's read-ahead, of which 128 KiB is the default.
constexpr int64_t kStepNbytes = 128 << 10;
constexpr int64_t kWakeups = 16;  // in the time that a whole window takes

// Asks for an extent. What fails here fails again where it is read, and is said there.
void ask(const Extent& extent, bool wait) {
  int file = extent.file;
  if (file < 0) file = ::open(extent.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return;
  const int64_t end = extent.offset + extent.nbytes;
  for (int64_t from = extent.offset; from < end; from += kStepNbytes)
    posix_fadvise(file, from, std::min(kStepNbytes, end - from), POSIX_FADV_WILLNEED);
  char last;
  if (wait && extent.nbytes > 0 && pread(file, &last, 1, end - 1) < 0) last = 0;
  if (extent.file < 0) ::close(file);
}

}  // namespace

void ReadAheadStream::passed(size_t number) {
  {
    const std::lock_guard<std::mutex> guard(state->lock);
    const auto found =
        std::find_if(chunks.begin(), chunks.end(), [&](const std::shared_ptr<Chunk>& chunk) {
          return number >= chunk->first && number - chunk->first < chunk->extents.size();
        });
    if (found == chunks.end()) return;
    Chunk& chunk = **found;
    Progress& progress = chunk.progress[number - chunk.first];
    if (progress == Progress::passed) return;
    ++chunk.passed;
    const bool was_asked = std::exchange(progress, Progress::passed) == Progress::asked;
    if (!was_asked) return;
    const int64_t nbytes = chunk.extents[number - chunk.first].nbytes;
    state->ahead_nbytes -= nbytes;
    state->passed_nbytes += nbytes;
    // a thread that wakes up is to have something to do
    if (state->passed_nbytes < state->most_nbytes / kWakeups && state->ahead_nbytes > 0) return;
    state->passed_nbytes = 0;
  }
  state->asked.notify_all();
}

std::shared_ptr<ReadAheadStream::Chunk> ReadAheadStream::next_chunk() {
  for (; begun_chunks < chunks.size(); ++begun_chunks) {
    Chunk& chunk = *chunks[begun_chunks];
    for (; chunk.begun < chunk.extents.size(); ++chunk.begun, ++chunk.ended)
      if (chunk.progress[chunk.begun] == Progress::waiting) return chunks[begun_chunks];
  }
  return nullptr;
}

ReadAhead::ReadAhead(int64_t most_nbytes, int threads) {
  if (most_nbytes < 1 || threads < 1) throw std::invalid_argument("there is nothing to ask with");
  state_->most_nbytes = most_nbytes;
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back(&ReadAhead::work, this);
  } catch (...) {
    close();
    throw;
  }
}

ReadAhead::~ReadAhead() { close(); }

std::shared_ptr<ReadAheadStream> ReadAhead::open(bool in_window) {
  auto stream = std::make_shared<ReadAheadStream>();
  stream->state = state_;
  stream->in_window = in_window;
  const std::lock_guard<std::mutex> guard(state_->lock);
  streams_.push_back(stream);
  return stream;
}

size_t ReadAhead::add(ReadAheadStream& stream, std::vector<Extent> extents) {
  auto chunk = std::make_shared<ReadAheadStream::Chunk>();
  chunk->extents = std::move(extents);
  chunk->progress.resize(chunk->extents.size());
  size_t done = 0;
  {
    const std::lock_guard<std::mutex> guard(state_->lock);
    chunk->first = stream.count;
    stream.count += chunk->extents.size();
    stream.chunks.push_back(std::move(chunk));
    stream.next_chunk();  // leaves out what was read meanwhile
    for (; stream.begun_chunks > 0; --stream.begun_chunks, ++done) {
      const ReadAheadStream::Chunk& oldest = *stream.chunks.front();
      const size_t size = oldest.extents.size();
      if (oldest.ended < size || (stream.in_window && oldest.passed < size)) break;
      stream.chunks.pop_front();
    }
  }
  state_->asked.notify_all();
  return done;
}

void ReadAhead::end(const std::shared_ptr<ReadAheadStream>& stream) {
  std::unique_lock<std::mutex> guard(state_->lock);
  streams_.erase(std::remove(streams_.begin(), streams_.end(), stream), streams_.end());
  state_->idle.wait(guard, [&] { return stream->busy == 0; });
  for (const std::shared_ptr<ReadAheadStream::Chunk>& chunk : stream->chunks)
    for (size_t i = 0; i < chunk->extents.size(); ++i)
      if (chunk->progress[i] == ReadAheadStream::Progress::asked)
        state_->ahead_nbytes -= chunk->extents[i].nbytes;
  stream->chunks.clear();
  stream->begun_chunks = 0;
  guard.unlock();
  state_->asked.notify_all();  // there is room for others
}

void ReadAhead::close() {
  {
    const std::lock_guard<std::mutex> guard(state_->lock);
    state_->closed = true;
  }
  state_->asked.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int64_t ReadAhead::ahead_nbytes() {
  const std::lock_guard<std::mutex> guard(state_->lock);
  return state_->ahead_nbytes;
}

// Returns a stream that has an extent to ask for now.
std::shared_ptr<ReadAheadStream> ReadAhead::next() {
  for (const std::shared_ptr<ReadAheadStream>& stream : streams_) {
    const std::shared_ptr<ReadAheadStream::Chunk> chunk = stream->next_chunk();
    if (chunk == nullptr) continue;
    const int64_t nbytes = chunk->extents[chunk->begun].nbytes;
    const int64_t room = state_->most_nbytes - state_->ahead_nbytes;
    if (!stream->in_window || state_->ahead_nbytes == 0 || nbytes <= room) return stream;
  }
  return nullptr;
}

void ReadAhead::work() {
  std::unique_lock<std::mutex> guard(state_->lock);
  while (true) {
    std::shared_ptr<ReadAheadStream> stream;
    state_->asked.wait(guard, [&] { return state_->closed || (stream = next()) != nullptr; });
    if (state_->closed) return;
    const std::shared_ptr<ReadAheadStream::Chunk> chunk = stream->next_chunk();
    const Extent& extent = chunk->extents[chunk->begun];
    if (stream->in_window) {
      chunk->progress[chunk->begun] = ReadAheadStream::Progress::asked;
      state_->ahead_nbytes += extent.nbytes;
    }
    ++chunk->begun;
    ++stream->busy;
    guard.unlock();
    ask(extent, !stream->in_window);
    guard.lock();
    ++chunk->ended;
    if (--stream->busy == 0) state_->idle.notify_all();
  }
}

}  // namespace imnet
