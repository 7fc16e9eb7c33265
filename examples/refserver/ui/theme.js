// Light, dark, or as the system says. Kept for the next visit; it is no secret.
const KEY = 'openwop.theme';
const THEMES = ['auto', 'light', 'dark'];

export function initTheme(button) {
  let theme = localStorage.getItem(KEY);
  if (!THEMES.includes(theme)) theme = 'auto';
  const apply = () => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    localStorage.setItem(KEY, theme);
    apply();
  });
  apply();
}
