/**
 * Sound on this screen, armed by a person (browsers allow none before a touch or a key).
 * It repeats until somebody acknowledges. SILENT alerts never get here.
 */

const REPEAT_MS = 10_000;
const STORED = "safesignal.sound";
const TONES = [
  // [start s, length s, Hz]: two rising pairs, unlike a school bell and unlike a fire horn
  [0, 0.16, 660], [0.2, 0.22, 880], [0.55, 0.16, 660], [0.75, 0.22, 880],
];

export class Sound {
  #context = null;
  #wanted;
  #timer = null;
  #onChange;

  constructor(onChange) {
    this.#onChange = onChange;
    this.#wanted = localStorage.getItem(STORED) === "on";
    // After a reload the browser may still allow sound; if not, the board says so.
    if (this.#wanted) this.#prepare();
  }

  get on() {
    return this.#wanted && this.#context?.state === "running";
  }

  /** Switch the sound, on a person's touch or key. Switching it on plays it once, as a test. */
  async toggle() {
    if (this.on) {
      this.#wanted = false;
      this.rest();
      await this.#context.suspend();
    } else {
      this.#wanted = true;
      this.#prepare();
      await this.#context.resume().catch(() => {});
    }
    localStorage.setItem(STORED, this.#wanted ? "on" : "off");
    this.#onChange();
    if (this.on && !this.ringing) this.#play(0.4);
  }

  /** Sound now and every 10 s, until `rest`. */
  alarm() {
    this.rest();
    if (!this.on) return;
    this.#play(1);
    this.#timer = setInterval(() => this.on && this.#play(1), REPEAT_MS);
  }

  rest() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  get ringing() {
    return this.#timer !== null;
  }

  #prepare() {
    if (this.#context) return;
    this.#context = new AudioContext();
    this.#context.addEventListener("statechange", () => this.#onChange());
  }

  #play(volume) {
    const { currentTime, destination } = this.#context;
    for (const [start, length, frequency] of TONES) {
      const tone = new OscillatorNode(this.#context, { type: "triangle", frequency });
      const gain = new GainNode(this.#context, { gain: 0 });
      const from = currentTime + start;
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(volume, from + 0.02);
      gain.gain.setValueAtTime(volume, from + length - 0.04);
      gain.gain.linearRampToValueAtTime(0, from + length);
      tone.connect(gain).connect(destination);
      tone.start(from);
      tone.stop(from + length);
    }
  }
}
