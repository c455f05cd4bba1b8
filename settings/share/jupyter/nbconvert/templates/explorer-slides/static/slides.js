/* Show the slides, in letters as large as fit. */
const SMALLEST = 13; // pixels

function fit(slide) {
  let size = 20;
  while (slide.scrollHeight > slide.clientHeight && size > SMALLEST) {
    size -= 1;
    slide.style.setProperty('--jp-content-font-size1', `${size}px`);
  }
}

Reveal.initialize({
  width: 1280, height: 720, margin: 0, center: false, hash: true,
  viewDistance: Infinity, // otherwise distant slides have no height
  plugins: [RevealNotes],
}).then(() => Reveal.getSlides().forEach(fit));
