// The filter form stays open from page to page.
const filters = document.getElementById("filters");
filters.open = sessionStorage.getItem("filters") === "open";
filters.addEventListener("toggle", () => sessionStorage.setItem("filters", filters.open ? "open" : ""));
